//! The name of a profile, checked once where it comes in and trusted from there on.
//!
//! The rule is `contract.md` §4; the length comes from s6-svscan(8), which ignores a service directory whose name is longer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name that s6 takes for a service directory, in bytes.
pub const SLOT_NAME_MAX: usize = 251;

/// What every gateway's slot starts with.
pub const SLOT_PREFIX: &str = "gateway-";

/// The longest name of a profile, in bytes.
pub const PROFILE_NAME_MAX: usize = SLOT_NAME_MAX - SLOT_PREFIX.len();

const DEFAULT: &str = "default";

/// The name of a profile: `[a-z0-9][a-z0-9_-]*`, at most [`PROFILE_NAME_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileName(Box<str>);

/// Why a text is no name of a profile; the message tells the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileNameError {
    /// There is nothing.
    #[error("a profile's name cannot be empty: it {RULE}")]
    Empty,
    /// The first character is not one that a name starts with.
    #[error("a profile's name cannot start with {first:?}: it {RULE}")]
    BadStart {
        /// The character.
        first: char,
    },
    /// A character in it is none of a name's.
    #[error("a profile's name cannot contain {bad:?}: it {RULE}")]
    BadCharacter {
        /// The first such character.
        bad: char,
    },
    /// The slot's name would be longer than s6 takes.
    #[error("a profile's name of {length} bytes is too long: it {RULE}")]
    TooLong {
        /// The length of the text, in bytes.
        length: usize,
    },
    /// A new profile cannot be called `default`.
    #[error(
        "the name 'default' is reserved: it is the profile at the root of HERMES_HOME, which always exists"
    )]
    Reserved,
    /// The bytes are no text.
    #[error("a profile's name must be plain text: it {RULE}")]
    NotText,
}

/// The rule as the messages tell it. The number is [`PROFILE_NAME_MAX`]; a test holds the two together.
const RULE: &str = "starts with a-z or 0-9, goes on with a-z, 0-9, '_' or '-', and has at most 243 characters (s6 allows 251 for 'gateway-<name>')";

impl ProfileName {
    /// The profile at the root of `HERMES_HOME`.
    pub fn default_profile() -> Self {
        Self(DEFAULT.into())
    }

    /// The name of a profile that exists, or that someone asks for: `default` is one.
    ///
    /// # Errors
    /// The text breaks the rule.
    pub fn new(name: &str) -> Result<Self, ProfileNameError> {
        let mut characters = name.chars();
        let first = characters.next().ok_or(ProfileNameError::Empty)?;
        if !starts_name(first) {
            return Err(ProfileNameError::BadStart { first });
        }
        if let Some(bad) =
            characters.find(|&character| !(starts_name(character) || matches!(character, '_' | '-')))
        {
            return Err(ProfileNameError::BadCharacter { bad });
        }
        if name.len() > PROFILE_NAME_MAX {
            return Err(ProfileNameError::TooLong { length: name.len() });
        }
        Ok(Self(name.into()))
    }

    /// The name of a profile that is to be made: `default` is none, since it always exists.
    ///
    /// # Errors
    /// The text breaks the rule, or is reserved.
    pub fn for_new_profile(name: &str) -> Result<Self, ProfileNameError> {
        let name = Self::new(name)?;
        if name.is_default() { Err(ProfileNameError::Reserved) } else { Ok(name) }
    }

    /// Whether it is the profile at the root of `HERMES_HOME`.
    pub fn is_default(&self) -> bool {
        &*self.0 == DEFAULT
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its gateway's slot: `gateway-<name>`.
    pub fn gateway_slot_name(&self) -> String {
        format!("{SLOT_PREFIX}{}", self.0)
    }

    /// The profile whose gateway has that slot; nothing for a slot that is no gateway's.
    pub fn from_gateway_slot_name(slot: &str) -> Option<Self> {
        Self::new(slot.strip_prefix(SLOT_PREFIX)?).ok()
    }
}

fn starts_name(character: char) -> bool {
    character.is_ascii_lowercase() || character.is_ascii_digit()
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for ProfileName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProfileName {
    type Err = ProfileNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<String> for ProfileName {
    type Error = ProfileNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<ProfileName> for String {
    fn from(name: ProfileName) -> Self {
        name.0.into()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("coder")]
    #[case("0")]
    #[case("a-b_c-9")]
    #[case("default")]
    fn a_name_that_keeps_the_rule_is_taken_as_it_is(#[case] name: &str) {
        assert_eq!(ProfileName::new(name).unwrap().as_str(), name);
    }

    #[rstest]
    #[case("", ProfileNameError::Empty)]
    #[case("Coder", ProfileNameError::BadStart { first: 'C' })]
    #[case("coDer", ProfileNameError::BadCharacter { bad: 'D' })]
    #[case("a b", ProfileNameError::BadCharacter { bad: ' ' })]
    #[case(" a", ProfileNameError::BadStart { first: ' ' })]
    #[case("a\n", ProfileNameError::BadCharacter { bad: '\n' })]
    #[case("-a", ProfileNameError::BadStart { first: '-' })]
    #[case("_a", ProfileNameError::BadStart { first: '_' })]
    #[case(".", ProfileNameError::BadStart { first: '.' })]
    #[case("..", ProfileNameError::BadStart { first: '.' })]
    #[case("a/b", ProfileNameError::BadCharacter { bad: '/' })]
    #[case("a.b", ProfileNameError::BadCharacter { bad: '.' })]
    #[case("ä", ProfileNameError::BadStart { first: 'ä' })]
    #[case("a\u{0660}", ProfileNameError::BadCharacter { bad: '\u{0660}' })]
    #[case("a\0", ProfileNameError::BadCharacter { bad: '\0' })]
    fn a_name_that_breaks_the_rule_is_refused_with_the_rule(
        #[case] name: &str,
        #[case] expected: ProfileNameError,
    ) {
        let error = ProfileName::new(name).unwrap_err();
        assert_eq!(error, expected);
        assert!(error.to_string().contains("a-z, 0-9, '_' or '-'"), "{error}");
    }

    #[test]
    fn the_slot_of_the_longest_name_is_the_longest_that_s6_takes() {
        let longest = "a".repeat(PROFILE_NAME_MAX);
        assert_eq!(ProfileName::new(&longest).unwrap().gateway_slot_name().len(), SLOT_NAME_MAX);
        let error = ProfileName::new(&format!("{longest}a")).unwrap_err();
        assert_eq!(error, ProfileNameError::TooLong { length: PROFILE_NAME_MAX + 1 });
        assert!(error.to_string().contains(&format!("at most {PROFILE_NAME_MAX} characters")), "{error}");
    }

    #[test]
    fn a_new_profile_cannot_be_called_default() {
        assert_eq!(ProfileName::for_new_profile("default"), Err(ProfileNameError::Reserved));
        assert!(ProfileName::default_profile().is_default());
        assert!(!ProfileName::for_new_profile("default2").unwrap().is_default());
    }

    #[test]
    fn a_slots_name_leads_back_to_its_profile() {
        let name = ProfileName::new("coder").unwrap();
        assert_eq!(name.gateway_slot_name(), "gateway-coder");
        assert_eq!(ProfileName::from_gateway_slot_name("gateway-coder"), Some(name));
        for other in ["dashboard", "gateway-", "gateway", "gateway-A", "gateway-.x", "xgateway-a"] {
            assert_eq!(ProfileName::from_gateway_slot_name(other), None, "{other}");
        }
    }

    #[test]
    fn json_that_breaks_the_rule_is_refused_too() {
        assert_eq!(serde_json::to_string(&ProfileName::new("a").unwrap()).unwrap(), r#""a""#);
        assert!(serde_json::from_str::<ProfileName>(r#""../a""#).is_err());
    }
}
