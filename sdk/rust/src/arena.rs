//! The guest's global allocator.

#![allow(unsafe_code, reason = "a global allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;

/// 512 KiB: more than nearly every call needs, and little enough to be cleared after each.
const ARENA_BYTES: usize = 512 * 1024;

/// Serves from a block that is part of the guest's initial memory, and from the ordinary allocator once
/// that is full.
///
/// A call is short and its instance is thrown away after it, so giving memory back hardly matters, while
/// growing the memory costs the host two changes of its page tables per call: more than the whole rest of
/// a small call. So this only ever moves forward, except that the newest block can grow, shrink and go in
/// place, which is what a growing `Vec` or `String` does.
pub struct Arena {
    bytes: UnsafeCell<[u8; ARENA_BYTES]>,
    /// How many of `bytes` are given out.
    used: UnsafeCell<usize>,
}

// SAFETY: the contract's guests have one thread (the host has WebAssembly threads switched off), so
// nothing is ever reached from two at a time. No other target installs it.
unsafe impl Sync for Arena {}

impl Arena {
    /// All zeroes, so that it takes no room in the component's file.
    #[expect(clippy::new_without_default, reason = "one static, made by the export macro")]
    pub const fn new() -> Self {
        Self { bytes: UnsafeCell::new([0; ARENA_BYTES]), used: UnsafeCell::new(0) }
    }

    /// Where the block begins, counted from the arena's start; none when it is not the arena's.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        let offset = block.addr().checked_sub(self.bytes.get().addr())?;
        (offset < ARENA_BYTES).then_some(offset)
    }
}

// SAFETY: a block from the arena lies in `bytes`, is aligned, and overlaps no block that is still in
// use, because `used` is past the end of each of them; every other block is the system allocator's, and
// goes back to it.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and no reference to either cell outlives a statement.
        unsafe {
            let base: *mut u8 = self.bytes.get().cast();
            let used = *self.used.get();
            let padding = base.wrapping_add(used).addr().wrapping_neg() & (layout.align() - 1);
            let start = used + padding;
            match start.checked_add(layout.size()) {
                Some(end) if end <= ARENA_BYTES => {
                    *self.used.get() = end;
                    base.add(start)
                }
                _ => System.alloc(layout),
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`; `block` and `layout` belong together, as the caller promises.
        unsafe {
            match self.offset(block) {
                Some(start) if start + layout.size() == *self.used.get() => {
                    *self.used.get() = start;
                }
                Some(_) => {}
                None => System.dealloc(block, layout),
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as in `alloc` and `dealloc`; the copy is as long as the smaller of the two blocks, and
        // they do not overlap, because the new one begins past the old one's end.
        unsafe {
            let Some(start) = self.offset(block) else {
                return System.realloc(block, layout, new_size);
            };
            let newest = start + layout.size() == *self.used.get();
            match start.checked_add(new_size) {
                Some(end) if newest && end <= ARENA_BYTES => {
                    *self.used.get() = end;
                    return block;
                }
                _ if new_size <= layout.size() => return block,
                _ => {}
            }
            let new = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size());
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn blocks_are_aligned_and_do_not_overlap() {
        let arena = Box::new(Arena::new());
        let mut end = 0;
        for (size, align) in [(1, 1), (8, 8), (3, 1), (64, 64), (5, 2), (4096, 4096)] {
            let block = unsafe { arena.alloc(layout(size, align)) };
            assert_eq!(block.addr() % align, 0);
            assert!(block.addr() >= end);
            end = block.addr() + size;
        }
        assert!(end <= arena.bytes.get().addr() + ARENA_BYTES);
    }

    #[test]
    fn the_newest_block_grows_shrinks_and_goes_in_place() {
        let arena = Box::new(Arena::new());
        unsafe {
            let first = arena.alloc(layout(10, 1));
            assert_eq!(arena.realloc(first, layout(10, 1), 1000), first);
            assert_eq!(*arena.used.get(), 1000);
            assert_eq!(arena.realloc(first, layout(1000, 1), 4), first);
            assert_eq!(*arena.used.get(), 4);
            arena.dealloc(first, layout(4, 1));
            assert_eq!(*arena.used.get(), 0);
        }
    }

    #[test]
    fn an_older_block_moves_with_its_bytes() {
        let arena = Box::new(Arena::new());
        unsafe {
            let first = arena.alloc(layout(4, 1));
            first.copy_from_nonoverlapping(b"cnsp".as_ptr(), 4);
            arena.alloc(layout(1, 1));
            assert_eq!(arena.realloc(first, layout(4, 1), 2), first);
            let moved = arena.realloc(first, layout(4, 1), 8);
            assert_ne!(moved, first);
            assert_eq!(std::slice::from_raw_parts(moved, 4), b"cnsp");
        }
    }

    #[test]
    fn a_full_arena_falls_back_to_the_system() {
        let arena = Box::new(Arena::new());
        unsafe {
            let inside = arena.alloc(layout(ARENA_BYTES - 8, 1));
            inside.write(7);
            let outside = arena.alloc(layout(9, 1));
            assert!(arena.offset(outside).is_none());
            outside.write(9);
            let outside = arena.realloc(outside, layout(9, 1), 64);
            assert_eq!(outside.read(), 9);
            arena.dealloc(outside, layout(64, 1));
            let moved = arena.realloc(inside, layout(ARENA_BYTES - 8, 1), ARENA_BYTES + 1);
            assert!(arena.offset(moved).is_none());
            assert_eq!(moved.read(), 7);
            arena.dealloc(moved, layout(ARENA_BYTES + 1, 1));
            assert!(arena.offset(arena.alloc(layout(8, 1))).is_some());
        }
    }
}
