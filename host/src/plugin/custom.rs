//! What a component says beside its code, in custom sections: names, and its version. Nothing checks whether it is so.

use crate::limits::component;
use wasmparser::{CustomSectionReader, KnownCustom, Name, Parser, Payload};

/// Where a component says its version, as the tools of the WebAssembly project have it.
pub(crate) const VERSION_SECTION: &str = "version";
const VERSION_BYTES_MAX: usize = component::VERSION_BYTES.max;

/// The version that a component says it has, where it is one that can be shown: printable ASCII, without spaces.
pub(crate) fn version(component: &[u8]) -> Option<String> {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.ok()? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.checked_sub(1)?,
            // What is inside of it may have others.
            Payload::CustomSection(section) if depth == 1 && section.name() == VERSION_SECTION => {
                let text = std::str::from_utf8(section.data()).ok()?;
                let fits = (1..=VERSION_BYTES_MAX).contains(&text.len());
                return (fits && text.bytes().all(|c| c.is_ascii_graphic()))
                    .then(|| text.to_owned());
            }
            _ => {}
        }
    }
    None
}

/// The bytes of the longest name of a module or a function. What cannot be read is not read by the compiler either.
pub(super) fn longest_name(section: &CustomSectionReader<'_>) -> usize {
    let KnownCustom::Name(names) = section.as_known() else { return 0 };
    let mut longest = 0;
    for name in names.into_iter().map_while(Result::ok) {
        let length = match name {
            Name::Module { name, .. } => name.len(),
            Name::Function(names) => {
                let lengths = names.into_iter().map_while(Result::ok).map(|named| named.name.len());
                lengths.max().unwrap_or(0)
            }
            _ => 0,
        };
        longest = longest.max(length);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{ComponentSection, CustomSection};

    fn with(text: &str, said: &[u8]) -> Vec<u8> {
        let mut bytes = wat::parse_str(text).unwrap();
        let section = CustomSection { name: VERSION_SECTION.into(), data: said.into() };
        section.append_to_component(&mut bytes);
        bytes
    }

    #[test]
    fn a_version_is_the_components_own_and_harmless() {
        let inside = "(component (core module (@custom \"version\" \"0.1.0\")))";
        assert_eq!(version(&wat::parse_str(inside).unwrap()), None);
        assert_eq!(version(&with(inside, b"1.2.3")).as_deref(), Some("1.2.3"));
        let longest = "1".repeat(VERSION_BYTES_MAX);
        assert_eq!(version(&with("(component)", longest.as_bytes())), Some(longest.clone()));
        for said in [&b""[..], b"1 2", b"1\n", b"1\x1b[2J", b"\xff", "1é".as_bytes()] {
            assert_eq!(version(&with("(component)", said)), None, "{said:?}");
        }
        assert_eq!(version(&with("(component)", format!("{longest}1").as_bytes())), None);
        for bytes in [&b""[..], b"\0asm", b"not wasm"] {
            assert_eq!(version(bytes), None);
        }
    }

    #[test]
    fn names_are_measured_as_far_as_they_can_be_read() {
        let longest = |bytes: &[u8]| {
            let sections = Parser::new(0).parse_all(bytes).filter_map(|payload| match payload {
                Ok(Payload::CustomSection(section)) => Some(longest_name(&section)),
                _ => None,
            });
            sections.max()
        };
        assert_eq!(longest(&wat::parse_str("(module $four (func $sixsix))").unwrap()), Some(6));
        assert_eq!(longest(&wat::parse_str("(module $seven77 (func $f))").unwrap()), Some(7));
        assert_eq!(
            longest(&wat::parse_str("(module (@custom \"names\" \"longer\"))").unwrap()),
            Some(0)
        );
        // A name that goes on after the end of its section, behind one that does not.
        let broken = b"(module (@custom \"name\" \"\\01\\09\\02\\00\\02ab\\01\\7fcd\"))";
        assert_eq!(longest(&wat::parse_bytes(broken).unwrap()), Some(2));
    }
}
