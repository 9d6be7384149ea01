//! Removes one value by a deletion of its lines alone.

use serde_json::Value;

use super::document::{Config, Content};
use super::edit::SetError;
use super::key::Key;

impl Config {
    /// Removes the value at `key`, and the mappings around it that hold no other value. Comments, order and
    /// all other values stay. Returns `false` if there is no such value.
    ///
    /// # Errors
    /// Fails if the value cannot be removed alone. The configuration is then unchanged.
    pub fn unset(&mut self, key: &Key) -> Result<bool, SetError> {
        let not_alone = || SetError::NotAlone { key: key.clone() };
        let names = key.names();
        let Some(mut parent) = self.root() else { return Ok(false) };
        // The entry to remove, and the number of names that lead to it.
        let mut entry = None;
        for (depth, name) in names.iter().enumerate() {
            let Some((found, value)) = self.child(parent, name) else {
                // The value comes from a merged mapping.
                return if self.get(key).is_some() { Err(not_alone()) } else { Ok(false) };
            };
            let is_alone =
                matches!(&self.node(parent).content, Content::Mapping { entries } if entries.len() == 1);
            if !is_alone || entry.is_none() {
                entry = Some((parent, found, value, depth + 1));
            }
            parent = value;
        }
        let Some((parent, name, value, length)) = entry else { return Ok(false) };
        if !matches!(self.node(parent).content, Content::Mapping { .. }) || self.is_flow(parent) {
            return Err(not_alone());
        }
        let start = self.node(name).span.start;
        let begin = self.text[..start].rfind('\n').map_or(0, |end| end + 1);
        if !self.text[begin..start].trim_start_matches('\u{feff}').chars().all(|c| c == ' ') {
            return Err(not_alone());
        }
        let content =
            if self.is_missing_value(value) { self.node(name).span.end } else { self.content_end(value) };
        let end = self.line_end(content.max(start));
        let end = self.text[end..].find('\n').map_or(self.text.len(), |newline| end + newline + 1);
        let mut expected = self.to_json();
        remove(&mut expected, &names[..length]);
        let mut text = self.text.clone();
        text.replace_range(begin..end, "");
        let changed = Self::parse(text).map_err(|_| not_alone())?;
        let is_empty =
            |tree: &Value| tree.is_null() || tree.as_object().is_some_and(serde_json::Map::is_empty);
        let found = changed.to_json();
        if found != expected && !(is_empty(&found) && is_empty(&expected)) {
            return Err(not_alone());
        }
        *self = changed;
        Ok(true)
    }
}

fn remove(tree: &mut Value, names: &[String]) {
    match names {
        [] => {}
        [last] => {
            if let Value::Object(entries) = tree {
                entries.remove(last);
            }
        }
        [first, rest @ ..] => {
            if let Some(child) = tree.get_mut(first.as_str()) {
                remove(child, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a: 1\nb: 2\n", "a", "b: 2\n")]
    #[case("# top\na: 1 # one\n# two\nb: 2\n", "a", "# top\n# two\nb: 2\n")]
    #[case("d:\n  user: me\n  hash: 'x' # secret\nz: 1\n", "d.hash", "d:\n  user: me\nz: 1\n")]
    #[case("d:\n  hash: x\nz: 1\n", "d.hash", "z: 1\n")]
    #[case("v: 1\nd:\n  e:\n    hash: x\n", "d.e.hash", "v: 1\n")]
    #[case("a: |\n  two\n\n  lines\nb: 2\n", "a", "b: 2\n")]
    #[case("a:\n- 1\n- 2\nb: 2\n", "a", "b: 2\n")]
    #[case("a:\nb: 2", "b", "a:\n")]
    #[case("a: 1", "a", "")]
    #[case("a:\nb: 2\n", "a", "b: 2\n")]
    #[case("a: 1\r\nb: 2\r\n", "a", "b: 2\r\n")]
    fn only_the_lines_of_the_value_are_removed(#[case] before: &str, #[case] key: &str, #[case] after: &str) {
        let mut config = Config::parse(before).unwrap();
        assert!(config.unset(&key.parse().unwrap()).unwrap());
        assert_eq!(config.text(), after);
        assert!(config.get(&key.parse().unwrap()).is_none());
        assert!(!config.unset(&key.parse().unwrap()).unwrap());
    }

    #[rstest]
    #[case("a: {b: 1, c: 2}\n", "a.b")]
    #[case("a:\n- b: 1\n  c: 2\n", "a.0.b")]
    #[case("a: 1\na: 2\n", "a")]
    #[case("x: &x {b: 1}\na: *x\n", "x")]
    fn an_inseparable_value_is_kept(#[case] before: &str, #[case] key: &str) {
        let mut config = Config::parse(before).unwrap();
        assert!(matches!(config.unset(&key.parse().unwrap()), Err(SetError::NotAlone { .. })));
        assert_eq!(config.text(), before);
    }

    proptest! {
        #[test]
        fn a_value_that_was_set_can_be_unset(before in "([a-d]: [0-9x]{1,3}( # y)?\n|#z\n|\n){0,6}", value in "[ -~]{0,12}") {
            let Ok(mut config) = Config::parse(before) else { return Ok(()) };
            let meaning = config.to_json();
            let key = "new.value".parse().unwrap();
            prop_assume!(config.set(&key, &value).is_ok());
            prop_assert!(config.unset(&key).unwrap());
            let after = config.to_json();
            prop_assert!(after == meaning || meaning.is_null() && after.is_null(), "{}", config.text());
        }
    }
}
