//! The pages of one list, as a plugin chains them.

use crate::error::Result;
use crate::limits::fixed;
use crate::model::{OperationKind, Page, nonsense, shown};
use std::collections::HashSet;

const NEXT_BYTES_MAX: usize = fixed::NEXT_BYTES.max;

/// Where the pages of one list begin, as hashes: there may be many.
pub(crate) struct Begun {
    kind: OperationKind,
    seen: HashSet<blake3::Hash>,
}

impl Begun {
    /// With the page that is asked for first.
    pub(crate) fn new(kind: OperationKind, page: &Page) -> Begun {
        let first = page.after.iter().map(|after| blake3::hash(after.as_bytes()));
        Begun { kind, seen: first.collect() }
    }

    /// Takes where the next page begins, which goes into a header of the answer, and back into the path of a
    /// request. A list that goes back to a page before would never end.
    pub(crate) fn next(&mut self, next: Option<&str>) -> Result<()> {
        let Some(next) = next else { return Ok(()) };
        if next.len() > NEXT_BYTES_MAX {
            let text = format!("a `next` has at most {NEXT_BYTES_MAX} bytes, not {}", next.len());
            return Err(nonsense(self.kind, &text));
        }
        match self.seen.insert(blake3::hash(next.as_bytes())) {
            true => Ok(()),
            false => {
                let text = format!("the pages go in a circle, by way of `{}`", shown(next));
                Err(nonsense(self.kind, &text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_go_in_a_circle_are_found_wherever_they_began() {
        let all = |after: Option<&str>, nexts: &[Option<&str>]| {
            let page = Page { limit: None, after: after.map(str::to_owned) };
            let mut begun = Begun::new(OperationKind::ListAccounts, &page);
            nexts.iter().try_for_each(|next| begun.next(*next)).is_ok()
        };
        assert!(all(None, &[Some("a"), Some("b"), None]) && all(Some("a"), &[Some("b"), None]));
        assert!(!all(None, &[Some("a"), Some("b"), Some("a")]));
        assert!(!all(Some("a"), &[Some("a")]) && !all(Some("a"), &[Some("b"), Some("a")]));
    }
}
