//! What a component has to be before anything compiles it: whole, valid, one that we can run, and small enough in
//! every way that costs a compiler time. Looking at it costs time in proportion to its bytes, and it runs in the
//! worker all the same: see [`super::worker`].

use super::custom::longest_name;
use super::engine::{
    CORE_INSTANCES_PER_COMPONENT_MAX, FEATURES, MEMORIES_PER_COMPONENT_MAX, TABLE_ELEMENTS_MAX,
    TABLES_PER_COMPONENT_MAX,
};
use crate::limits::component;
use anyhow::{Context, bail, ensure};
use wasmparser::component_types::{ComponentEntityType, ComponentItem};
use wasmparser::types::Types;
use wasmparser::{
    ComponentInstance, Encoding, Error, FuncValidatorAllocations, FunctionBody, Instance, Operator,
    Parser, Payload, ValidPayload, Validator,
};

const COMPONENT_DEPTH_MAX: usize = component::COMPONENT_DEPTH.max;
const COMPONENT_COUNT_MAX: usize = component::COMPONENT_COUNT.max;
const COMPONENT_INSTANCE_COUNT_MAX: usize = component::COMPONENT_INSTANCES.max;
const MODULE_COUNT_MAX: usize = component::CORE_INSTANCES.max;
const FUNCTION_COUNT_MAX: u32 = component::FUNCTIONS.max as u32;
const FUNCTION_BYTES_MAX: usize = component::FUNCTION_BYTES.max;
const BLOCK_DEPTH_MAX: usize = component::BLOCK_DEPTH.max;
const BRANCH_TARGET_COUNT_MAX: usize = component::BRANCH_TARGETS.max;
const DATA_SEGMENT_COUNT_MAX: u32 = component::DATA_SEGMENTS.max as u32;
const ELEMENT_SEGMENT_COUNT_MAX: u32 = component::ELEMENT_SEGMENTS.max as u32;
const NAME_BYTES_MAX: usize = component::NAME_BYTES.max;
const CUSTOM_SECTION_COUNT_MAX: usize = component::CUSTOM_SECTIONS.max;
/// How many names a refusal lists.
const NAMES_TOLD_MAX: usize = 5;
const PAGE_BYTES: u64 = 64 << 10;

/// An interface, and its functions.
type Interface = (&'static str, &'static [&'static str]);

/// What a plugin may import. A test compares it with `wit/`.
const IMPORTS: [Interface; 11] = [
    ("cnsp:adapter/types@1.0.0", &[]),
    ("cnsp:adapter/http@1.0.0", &["send"]),
    ("cnsp:adapter/kv@1.0.0", &["get", "set", "delete", "list", "compare-and-set"]),
    ("cnsp:adapter/config@1.0.0", &["get"]),
    ("cnsp:adapter/log@1.0.0", &["write"]),
    ("cnsp:adapter/operation@1.0.0", &["id", "attempt", "token"]),
    ("wasi:clocks/wall-clock@0.2.12", &["now", "resolution"]),
    ("wasi:clocks/monotonic-clock@0.2.12", &["now", "resolution"]),
    ("wasi:random/random@0.2.12", &["get-random-bytes", "get-random-u64"]),
    ("wasi:random/insecure@0.2.12", &["get-insecure-random-bytes", "get-insecure-random-u64"]),
    ("wasi:random/insecure-seed@0.2.12", &["insecure-seed"]),
];

/// What a plugin exports. A test compares it with `wit/`.
const EXPORTS: [Interface; 7] = [
    ("cnsp:adapter/discovery@1.0.0", &["describe"]),
    ("cnsp:adapter/catalog@1.0.0", &["list"]),
    ("cnsp:adapter/account@1.0.0", &["create", "update", "delete", "get", "list"]),
    ("cnsp:adapter/user@1.0.0", &["create", "update", "delete", "get", "list", "assign", "revoke"]),
    ("cnsp:adapter/resource@1.0.0", &["create", "update", "act", "delete", "get", "list"]),
    ("cnsp:adapter/billing@1.0.0", &["usage"]),
    ("cnsp:adapter/health@1.0.0", &["check"]),
];

/// Says why this is no component that we compile, if so: what is wrong, and what to do.
pub(super) fn check(bytes: &[u8], guest_memory_bytes_max: usize) -> anyhow::Result<()> {
    ensure!(!bytes.is_empty(), "the file is empty; build it with `cnsp plugin build`");
    let mut gate = Gate {
        memory_bytes_max: guest_memory_bytes_max as u64,
        depth: 0,
        counts: Counts::default(),
        imports: Vec::new(),
        exports: Vec::new(),
    };
    let types = gate.walk(bytes)?;
    check_imports(&gate.imports, &types)?;
    check_exports(&gate.exports, &types)
}

struct Gate {
    memory_bytes_max: u64,
    /// Of what is being read: 1 for the component itself.
    depth: usize,
    counts: Counts,
    /// Of the component itself, as are the exports.
    imports: Vec<String>,
    exports: Vec<String>,
}

/// Of the component, with all that is in it.
#[derive(Default)]
struct Counts {
    components: usize,
    component_instances: usize,
    modules: usize,
    core_instances: usize,
    memories: usize,
    tables: usize,
    custom_sections: usize,
}

impl Gate {
    /// Reads it once. A part is counted before it is validated, so that what is too much costs nothing.
    fn walk(&mut self, bytes: &[u8]) -> anyhow::Result<Types> {
        let mut parser = Parser::new(0);
        parser.set_features(FEATURES);
        let mut validator = Validator::new_with_features(FEATURES);
        let mut allocations = FuncValidatorAllocations::default();
        let mut types = None;
        for payload in parser.parse_all(bytes) {
            let payload = payload.map_err(malformed)?;
            self.look_at(&payload)?;
            match validator.payload(&payload).map_err(malformed)? {
                ValidPayload::Func(function, body) => {
                    check_body(&body)?;
                    let mut function = function.into_validator(allocations);
                    function.validate(&body).map_err(malformed)?;
                    allocations = function.into_allocations();
                }
                // The last one to end is the component itself.
                ValidPayload::End(ended) => types = Some(ended),
                ValidPayload::Ok | ValidPayload::Parser(_) => {}
            }
        }
        types.context("the file ends before the component does; copy or build it again")
    }

    fn look_at(&mut self, payload: &Payload<'_>) -> anyhow::Result<()> {
        let counts = &mut self.counts;
        match payload {
            Payload::Version { encoding, .. } => {
                self.depth += 1;
                ensure!(
                    self.depth > 1 || *encoding == Encoding::Component,
                    "this is a core WebAssembly module and not a component; \
                     build it with `cnsp plugin build`, which makes one"
                );
                if *encoding == Encoding::Component {
                    within(self.depth, COMPONENT_DEPTH_MAX, "components inside of each other")?;
                }
            }
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::ComponentSection { .. } => {
                add(&mut counts.components, 1, COMPONENT_COUNT_MAX, "components inside")?;
            }
            Payload::ModuleSection { .. } => {
                add(&mut counts.modules, 1, MODULE_COUNT_MAX, "core modules")?;
            }
            Payload::ComponentInstanceSection(section) => {
                let is_made =
                    |instance: &_| matches!(instance, ComponentInstance::Instantiate { .. });
                let made = count(section.clone(), is_made)?;
                let max = COMPONENT_INSTANCE_COUNT_MAX;
                add(&mut counts.component_instances, made, max, "instances of components")?;
            }
            Payload::InstanceSection(section) => {
                let is_made = |instance: &_| matches!(instance, Instance::Instantiate { .. });
                let made = count(section.clone(), is_made)?;
                let max = CORE_INSTANCES_PER_COMPONENT_MAX as usize;
                add(&mut counts.core_instances, made, max, "core instances")?;
            }
            Payload::MemorySection(section) => {
                let more = section.count() as usize;
                add(&mut counts.memories, more, MEMORIES_PER_COMPONENT_MAX as usize, "memories")?;
                for memory in section.clone() {
                    let bytes = memory.map_err(malformed)?.initial.saturating_mul(PAGE_BYTES);
                    within(bytes, self.memory_bytes_max, "bytes of memory to start with")?;
                }
            }
            Payload::TableSection(section) => {
                let more = section.count() as usize;
                add(&mut counts.tables, more, TABLES_PER_COMPONENT_MAX as usize, "tables")?;
                for table in section.clone() {
                    let elements = table.map_err(malformed)?.ty.initial;
                    within(elements, TABLE_ELEMENTS_MAX as u64, "elements in one table")?;
                }
            }
            Payload::FunctionSection(section) => {
                within(section.count(), FUNCTION_COUNT_MAX, "functions in one module")?;
            }
            Payload::CodeSectionStart { count, .. } => {
                within(*count, FUNCTION_COUNT_MAX, "functions in one module")?;
            }
            Payload::DataSection(section) => {
                within(section.count(), DATA_SEGMENT_COUNT_MAX, "data segments in one module")?;
            }
            Payload::ElementSection(section) => {
                let max = ELEMENT_SEGMENT_COUNT_MAX;
                within(section.count(), max, "element segments in one module")?;
            }
            Payload::CustomSection(section) => {
                let max = CUSTOM_SECTION_COUNT_MAX;
                add(&mut counts.custom_sections, 1, max, "custom sections")?;
                within(longest_name(section), NAME_BYTES_MAX, "bytes in one name")?;
            }
            Payload::ComponentImportSection(section) if self.depth == 1 => {
                for import in section.clone() {
                    self.imports.push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if self.depth == 1 => {
                for export in section.clone() {
                    self.exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn count<'a, T: wasmparser::FromReader<'a>>(
    section: wasmparser::SectionLimited<'a, T>,
    counts: impl Fn(&T) -> bool,
) -> anyhow::Result<usize> {
    let mut number = 0;
    for item in section {
        number += usize::from(counts(&item.map_err(malformed)?));
    }
    Ok(number)
}

fn add(total: &mut usize, more: usize, max: usize, what: &str) -> anyhow::Result<()> {
    *total = total.saturating_add(more);
    within(*total, max, what)
}

fn within<N: PartialOrd + std::fmt::Display>(number: N, max: N, what: &str) -> anyhow::Result<()> {
    ensure!(
        number <= max,
        "the component has at least {number} {what}, and may have {max}; make it smaller, or split what it does"
    );
    Ok(())
}

/// Looks at what makes a compiler slow. Whether it is valid is the validator's to say.
fn check_body(body: &FunctionBody<'_>) -> anyhow::Result<()> {
    within(body.range().len(), FUNCTION_BYTES_MAX, "bytes in one function")?;
    let mut operators = body.get_operators_reader().map_err(malformed)?;
    let (mut depth, mut targets) = (0_usize, 0_usize);
    while !operators.eof() {
        match operators.read().map_err(malformed)? {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                add(&mut depth, 1, BLOCK_DEPTH_MAX, "blocks inside of each other")?;
            }
            Operator::End => depth = depth.saturating_sub(1),
            Operator::BrTable { targets: table } => {
                let more = table.len() as usize;
                let what = "branch targets in one function";
                add(&mut targets, more, BRANCH_TARGET_COUNT_MAX, what)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn malformed(error: Error) -> anyhow::Error {
    anyhow::anyhow!(
        "the component is not valid WebAssembly, or uses a part of it that is off here: {error}; \
         copy it again, or build it with `cnsp plugin build`"
    )
}

fn check_imports(imports: &[String], types: &Types) -> anyhow::Result<()> {
    let mut unknown = Vec::new();
    for name in imports {
        let offered = IMPORTS.iter().find(|(offered, _)| release(offered) == release(name));
        let functions = functions(types, types.component_item_for_import(name));
        match (offered, functions) {
            (Some((_, offered)), Some(used)) => {
                let missing = used.iter().filter(|used| !offered.contains(&used.as_str()));
                unknown.extend(missing.map(|used| format!("{name} {used}")));
            }
            _ => unknown.push(name.clone()),
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    bail!(
        "the component imports {}, which no plugin is offered; do without it: a plugin may import what the world \
         `adapter` of cnsp:adapter@1.0.0 names in wit/, and nothing else",
        told(&unknown)
    )
}

fn check_exports(exports: &[String], types: &Types) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    for (interface, wanted) in EXPORTS {
        let name = exports.iter().find(|name| release(name) == release(interface));
        let found = name.and_then(|name| types.component_item_for_export(name));
        match functions(types, found) {
            None => missing.push(interface.to_owned()),
            Some(found) => {
                let not_there = wanted.iter().filter(|name| !found.iter().any(|f| f == *name));
                missing.extend(not_there.map(|name| format!("{interface} {name}")));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "the component does not export {}; a plugin exports all of the world `adapter` of cnsp:adapter@1.0.0: \
         build it with the SDK, or for that world in wit/",
        told(&missing)
    )
}

/// The functions of an item that is an instance; none when it is something else.
fn functions(types: &Types, item: Option<&ComponentItem>) -> Option<Vec<String>> {
    let ComponentEntityType::Instance(id) = item?.ty else { return None };
    let exports = types[id].exports.iter();
    let is_function = |ty: &ComponentEntityType| !matches!(ty, ComponentEntityType::Type { .. });
    Some(exports.filter(|(_, item)| is_function(&item.ty)).map(|(name, _)| name.clone()).collect())
}

/// The part of a name that two compatible releases share, as wasmtime's linker sees it: `x@1` of `x@1.2.3`,
/// `x@0.2` of `x@0.2.12`.
fn release(name: &str) -> &str {
    let Some((interface, version)) = name.split_once('@') else { return name };
    let parts = if version.starts_with("0.") { 2 } else { 1 };
    let shared: usize = version.split('.').take(parts).map(|part| part.len() + 1).sum();
    name.get(..interface.len() + shared).unwrap_or(name)
}

fn told(names: &[String]) -> String {
    let mut text = names.iter().take(NAMES_TOLD_MAX).cloned().collect::<Vec<_>>().join(", ");
    if let Some(more) = names.len().checked_sub(NAMES_TOLD_MAX).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests;
