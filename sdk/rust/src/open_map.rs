//! The maps that CNSP leaves open: reading and writing their members.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Members of an [`OpenMap`](crate::types::OpenMap), by key.
pub trait OpenMapExt {
    /// The member's JSON, as it came.
    fn json(&self, key: &str) -> Option<&str>;

    /// The member, when it is of this type.
    fn value<T: DeserializeOwned>(&self, key: &str) -> Option<T>;

    /// The member, when it is a string.
    fn text(&self, key: &str) -> Option<String> {
        self.value(key)
    }

    /// The member, when it is a whole number.
    fn integer(&self, key: &str) -> Option<i64> {
        self.value(key)
    }

    /// The member, when it is a number, with every digit that it has: a decimal for the contract.
    fn decimal(&self, key: &str) -> Option<String> {
        self.value::<serde_json::Number>(key).map(|number| number.to_string())
    }

    /// Sets the member; one that is there already changes in place.
    fn put(&mut self, key: impl Into<String>, value: impl Serialize);
}

impl OpenMapExt for Vec<(String, String)> {
    fn json(&self, key: &str) -> Option<&str> {
        self.iter().find(|(name, _)| name == key).map(|(_, json)| json.as_str())
    }

    fn value<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_str(self.json(key)?).ok()
    }

    fn put(&mut self, key: impl Into<String>, value: impl Serialize) {
        // Only a map whose keys are not text cannot be written as JSON; `null` stands for it.
        let json = serde_json::to_string(&value).unwrap_or_else(|_| "null".to_owned());
        let key = key.into();
        match self.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = json,
            None => self.push((key, json)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_by_type() {
        let map = vec![
            ("colour".to_owned(), r#""blue""#.to_owned()),
            ("count".to_owned(), "3".to_owned()),
            ("price".to_owned(), "12.500000000000000000001".to_owned()),
        ];
        assert_eq!(map.text("colour").as_deref(), Some("blue"));
        assert_eq!(map.text("count"), None);
        assert_eq!(map.integer("count"), Some(3));
        assert_eq!(map.decimal("price").as_deref(), Some("12.500000000000000000001"));
        assert_eq!(map.decimal("colour"), None);
        assert_eq!(map.json("absent"), None);
    }

    #[test]
    fn put_replaces_in_place() {
        let mut map = Vec::new();
        map.put("a", 1);
        map.put("b", "two");
        map.put("a", [3]);
        assert_eq!(
            map,
            [("a".to_owned(), "[3]".to_owned()), ("b".to_owned(), "\"two\"".to_owned())]
        );
    }
}
