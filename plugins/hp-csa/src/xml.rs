//! CSA's XML, read with a pull parser into a small tree of the elements that this adapter knows. Everything else, such as
//! the attachments that CSA 4.00 puts into its answers, is passed over and never kept.

use cnsp_sdk::Failure;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

/// Nothing of CSA's is deeper than half of this.
const DEPTH_MAX: usize = 40;
/// How many elements are kept: some thousand subscriptions.
const ELEMENTS_MAX: usize = 100_000;
/// Of one element's text. A longer one is none that is looked at: a description, or an attachment in its place.
const TEXT_BYTES_MAX: usize = 4096;

/// The elements that are kept, in order.
const KNOWN: [&str; 64] = [
    "Catalog",
    "CatalogList",
    "Organization",
    "OrganizationList",
    "Person",
    "ServiceInstance",
    "ServiceOffering",
    "ServiceOfferingList",
    "ServiceRequest",
    "ServiceRequestList",
    "ServiceSubscription",
    "ServiceSubscriptionList",
    "UtilizationList",
    "accountNumber",
    "basePrice",
    "businessRole",
    "catalog",
    "catalogItem",
    "count",
    "createdBy",
    "currency",
    "defaultValue",
    "description",
    "disabled",
    "displayName",
    "emailAddress",
    "endDate",
    "fixedPrice",
    "id",
    "initiatingServiceRequest",
    "isSelected",
    "limit",
    "name",
    "optionModel",
    "optionSet",
    "optionSets",
    "options",
    "organization",
    "ownerGroup",
    "person",
    "priceAdjustmentMultiplier",
    "priceCategory",
    "pricingModel",
    "property",
    "recurrencePeriod",
    "requestState",
    "requestStatus",
    "requestedAction",
    "resourceType",
    "serviceDesignerExperienceType",
    "serviceInstance",
    "serviceInstanceState",
    "serviceOffering",
    "startDate",
    "state",
    "submittedOn",
    "subscriptionStatus",
    "totalPrice",
    "unit",
    "unitPrice",
    "usage",
    "utilization",
    "value",
    "values",
];

/// An element that is known.
#[derive(Debug)]
pub(crate) struct Element {
    name: &'static str,
    /// `xsi:type`.
    kind: Option<Box<str>>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Its `xsi:type`.
    pub(crate) fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Its own text, if it has any.
    pub(crate) fn text(&self) -> Option<&str> {
        Some(self.text.trim()).filter(|text| !text.is_empty())
    }

    /// Its children of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Its first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// What is at the end of this way of children, each the first of its name.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The text there.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.text()
    }

    /// The same, as a text of its own.
    pub(crate) fn owned(&self, path: &[&str]) -> Option<String> {
        self.text_at(path).map(str::to_owned)
    }
}

/// The document's root. `what` begins a sentence: `The list of organizations`.
pub(crate) fn parse(what: &str, body: &[u8]) -> Result<Element, Failure> {
    read(body).map_err(|why| {
        let text = format!(
            "{what} that CSA answered is not what it should be: {why}. Its vendor must look."
        );
        Failure::refused(502, text)
    })
}

fn read(body: &[u8]) -> Result<Element, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is no UTF-8".to_owned())?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut tree = Tree::default();
    loop {
        match reader.read_event().map_err(|error| format!("it is no XML ({error})"))? {
            Event::Start(tag) => tree.open(&tag)?,
            Event::Empty(tag) => {
                tree.open(&tag)?;
                tree.close();
            }
            Event::End(_) => tree.close(),
            Event::Text(text) => tree.add(&text.xml_content(XmlVersion::Implicit1_0)),
            Event::CData(text) => tree.add(&text.xml_content(XmlVersion::Implicit1_0)),
            Event::GeneralRef(entity) => {
                let character = resolve(&entity)?;
                tree.add(character.encode_utf8(&mut [0; 4]));
            }
            // What a DTD could say is of no use, and its entities grow without bounds.
            Event::DocType(_) => return Err("it has a DTD".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match (tree.root, tree.open.is_empty()) {
        (Some(root), true) => Ok(root),
        (None, true) => Err("its root is none that is known".to_owned()),
        (_, false) => Err("it ends in the middle".to_owned()),
    }
}

/// XML's own five, and characters by their number.
fn resolve(entity: &BytesRef<'_>) -> Result<char, String> {
    let unknown = || "it has an entity that is not one of XML's own".to_owned();
    if entity.is_char_ref() {
        return entity.resolve_char_ref().ok().flatten().ok_or_else(unknown);
    }
    let name: &str = entity;
    match name {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err(unknown()),
    }
}

/// What has been read so far.
#[derive(Default)]
struct Tree {
    root: Option<Element>,
    /// From the root to where the text is.
    open: Vec<Element>,
    /// How deep the text is inside of something that is not known.
    passing: usize,
    kept: usize,
}

impl Tree {
    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), String> {
        if self.open.len() + self.passing >= DEPTH_MAX {
            return Err(format!("it is deeper than {DEPTH_MAX} elements"));
        }
        let local = tag.local_name();
        let known = KNOWN.binary_search_by(|name| (*name).cmp(local.as_ref())).ok();
        let name = match known.and_then(|at| KNOWN.get(at)) {
            Some(name) if self.passing == 0 && self.root.is_none() => *name,
            _ => {
                self.passing += 1;
                return Ok(());
            }
        };
        self.kept += 1;
        if self.kept > ELEMENTS_MAX {
            return Err(format!("it has more than {ELEMENTS_MAX} elements: ask for less at once"));
        }
        let mut kind = None;
        for attribute in tag.attributes().take(20).flatten() {
            if attribute.key.local_name().as_ref() == "type" && attribute.value.len() <= 100 {
                kind = Some(Box::from(attribute.value.as_ref()));
            }
        }
        self.open.push(Element { name, kind, text: String::new(), children: Vec::new() });
        Ok(())
    }

    fn close(&mut self) {
        if self.passing > 0 {
            self.passing -= 1;
            return;
        }
        // quick-xml has checked that it was open.
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn add(&mut self, text: &str) {
        if self.passing > 0 {
            return;
        }
        let Some(element) = self.open.last_mut() else { return };
        if element.text.len() + text.len() > TEXT_BYTES_MAX {
            element.text.clear();
            // Whatever follows is too much as well.
            element.text.push_str(&" ".repeat(TEXT_BYTES_MAX));
        } else {
            element.text.push_str(text);
        }
    }
}

/// A text as XML's.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // XML 1.0 has no way to write these.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push('\u{fffd}');
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_is_known_is_kept() {
        let text = "<?xml version=\"1.0\"?><!-- x --><csa:OrganizationList xmlns:csa='c'><count>6</count>\
            <organization><id>1</id><attachment><id>2</id><content>AAAA</content></attachment>\
            <name>A &amp; B &#x41;&lt;</name><displayName><![CDATA[<x>]]></displayName></organization>\
            <organization/></csa:OrganizationList>";
        let root = read(text.as_bytes()).unwrap();
        assert_eq!((root.name, root.text_at(&["count"])), ("OrganizationList", Some("6")));
        let all: Vec<_> = root.all("organization").collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].text_at(&["id"]), Some("1"));
        assert_eq!(all[0].text_at(&["name"]), Some("A & B A<"));
        assert_eq!(all[0].text_at(&["displayName"]), Some("<x>"));
        assert!(all[0].children.len() == 3 && all[1].children.is_empty());
    }

    #[test]
    fn what_is_no_answer_of_csas_is_refused() {
        let deep = "<id>".repeat(50);
        let many = format!("<OrganizationList>{}</OrganizationList>", "<id/>".repeat(ELEMENTS_MAX));
        for (text, why) in [
            ("", "root"),
            ("<html>no</html>", "root"),
            ("no XML", "root"),
            ("<person><id>1</id>", "middle"),
            ("<person><id>1</person>", "no XML"),
            ("<!DOCTYPE a [<!ENTITY b \"c\">]><person><id>&b;</id></person>", "DTD"),
            ("<person><id>&b;</id></person>", "entity"),
            ("<person><id>&#0;</id></person>", "entity"),
            (deep.as_str(), "deeper"),
            (many.as_str(), "elements"),
        ] {
            let refused = read(text.as_bytes()).unwrap_err();
            assert!(
                refused.contains(why),
                "{}: {refused}",
                text.chars().take(60).collect::<String>()
            );
        }
        assert!(read(&[0x3c, 0xff]).unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn a_text_that_is_too_long_is_none() {
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        let text = format!(
            "<person><id>{long}</id><name>{long}</name><displayName>n</displayName></person>"
        );
        let root = read(text.as_bytes()).unwrap();
        assert_eq!((root.text_at(&["id"]), root.text_at(&["displayName"])), (None, Some("n")));
        let pieces = format!("<person><id>{}&amp;y</id></person>", "x".repeat(TEXT_BYTES_MAX));
        assert_eq!(read(pieces.as_bytes()).unwrap().text_at(&["id"]), None);
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_again(text in "\\PC{0,80}") {
            let xml = format!("<person><name>{}</name></person>", escape(&text));
            let root = read(xml.as_bytes()).unwrap();
            prop_assert_eq!(root.text_at(&["name"]).unwrap_or_default(), text.trim());
        }

        #[test]
        fn any_bytes_are_an_answer_or_a_refusal(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = read(&[b"<person><id>".as_slice(), &bytes].concat());
        }
    }
}
