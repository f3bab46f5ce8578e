//! The limits of what is uploaded: what a component has to be before it is compiled, and what the pool has for it.

use super::fixed::Fixed;

pub(crate) const COMPONENT_DEPTH: Fixed = Fixed {
    max: 8,
    name: "components inside of each other",
    unit: "components",
    why: "what wit-component makes has one inside another; composed ones a few more",
    inside: "nest that many",
};
pub(crate) const COMPONENT_COUNT: Fixed = Fixed {
    max: 100,
    name: "components inside, all together",
    unit: "components",
    why: "wit-component makes one for each interface that is exported",
    inside: "bring that many",
};
pub(crate) const COMPONENT_INSTANCES: Fixed = Fixed {
    max: 200,
    name: "instances of those",
    unit: "instances",
    why: "each is laid out anew at compile time, and those inside of it again",
    inside: "have that many laid out per upload",
};
pub(crate) const CORE_INSTANCES: Fixed = Fixed {
    max: 64,
    name: "core modules of a component, and instances of them",
    unit: "instances",
    why: "Python's libraries are one each; with room for the largest runtime that is known to work",
    inside: "use that many of the pool's per call",
};
pub(crate) const FUNCTIONS: Fixed = Fixed {
    max: 50_000,
    name: "functions of one module",
    unit: "functions",
    why: "a whole JavaScript engine has some 20,000",
    inside: "have that many compiled, within the compiler's own limits",
};
pub(crate) const FUNCTION_BYTES: Fixed = Fixed {
    max: 1 << 20,
    name: "body of one function",
    unit: "bytes",
    why: "the compiler's time grows faster than the body; the main loop of an interpreter, which is the largest thing that people compile, takes a few 100 KB",
    inside: "use the compiler's time up to its limit",
};
pub(crate) const BLOCK_DEPTH: Fixed = Fixed {
    max: 10_000,
    name: "blocks inside of each other",
    unit: "blocks",
    why: "as many as a `switch` has different cases",
    inside: "the same",
};
pub(crate) const BRANCH_TARGETS: Fixed = Fixed {
    max: 100_000,
    name: "targets of all `br_table`s of one function",
    unit: "targets",
    why: "each is an edge that the register allocator looks at",
    inside: "the same",
};
pub(crate) const DATA_SEGMENTS: Fixed = Fixed {
    max: 20_000,
    name: "data segments of one module",
    unit: "segments",
    why: "tools that snapshot an initialised runtime stop at 10,000",
    inside: "the same",
};
pub(crate) const ELEMENT_SEGMENTS: Fixed = Fixed {
    max: 1000,
    name: "element segments of one module",
    unit: "segments",
    why: "linkers make one, or one per library",
    inside: "the same",
};
pub(crate) const NAME_BYTES: Fixed = Fixed {
    max: 64 << 10,
    name: "name of a function or of a module",
    unit: "bytes",
    why: "each of a trap's frames has a copy; mangled ones have some thousand at most",
    inside: "have that much copied per frame",
};
pub(crate) const CUSTOM_SECTIONS: Fixed = Fixed {
    max: 2000,
    name: "custom sections, all together",
    unit: "sections",
    why: "a module with debug information has a dozen",
    inside: "the same",
};
pub(crate) const VERSION_BYTES: Fixed = Fixed {
    max: 64,
    name: "version that a component says it has",
    unit: "bytes",
    why: "it stands in every line about a failed call; a longer one is not shown",
    inside: "choose what its vendor reads there",
};
pub(crate) const MEMORIES: Fixed = Fixed {
    max: 1,
    name: "memories of a component",
    unit: "memories",
    why: "no runtime that is known to work has more; a slot of the pool is reserved for each",
    inside: "nothing more than one memory can",
};
pub(crate) const TABLES: Fixed = Fixed {
    max: 16,
    name: "tables of a component",
    unit: "tables",
    why: "Python's libraries have one each",
    inside: "fill them, within `memory_bytes_max`",
};
pub(crate) const TABLE_ELEMENTS: Fixed = Fixed {
    max: 60_000,
    name: "elements of one table",
    unit: "elements",
    why: "the functions of the largest runtime, with room",
    inside: "fill them, within `memory_bytes_max`",
};
pub(crate) const INSTANCE_BYTES: Fixed = Fixed {
    max: 4 << 20,
    name: "what the engine keeps for one instance",
    unit: "bytes",
    why: "room for each function, global and table of the largest runtime",
    inside: "take that much of the pool per call",
};
pub(crate) const START_MS: Fixed = Fixed {
    max: 500,
    name: "start of a component, while it is checked",
    unit: "ms",
    why: "what is done at the start is done again at each call",
    inside: "compute that long per upload",
};

/// All of them, in the order of the table.
pub(super) const ALL: [Fixed; 18] = [
    COMPONENT_DEPTH,
    COMPONENT_COUNT,
    COMPONENT_INSTANCES,
    CORE_INSTANCES,
    FUNCTIONS,
    FUNCTION_BYTES,
    BLOCK_DEPTH,
    BRANCH_TARGETS,
    DATA_SEGMENTS,
    ELEMENT_SEGMENTS,
    NAME_BYTES,
    CUSTOM_SECTIONS,
    VERSION_BYTES,
    MEMORIES,
    TABLES,
    TABLE_ELEMENTS,
    INSTANCE_BYTES,
    START_MS,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_in_the_table() {
        let source = include_str!("component.rs");
        let declared = source.lines().filter(|line| line.starts_with("pub(crate) const ")).count();
        assert_eq!(declared, ALL.len());
    }
}
