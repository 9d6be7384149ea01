//! The name of a profile. It is checked once at input.
//!
//! `docs/gateways.md` has the rule. The length comes from s6-svscan(8), which ignores a service directory with
//! a longer name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name of a service directory in s6, in bytes.
pub const SLOT_NAME_MAX: usize = 251;

/// The prefix of every gateway slot.
pub const SLOT_PREFIX: &str = "gateway-";

/// The longest name of a profile, in bytes.
pub const PROFILE_NAME_MAX: usize = SLOT_NAME_MAX - SLOT_PREFIX.len();

const DEFAULT: &str = "default";

/// The name of a profile: `[a-z0-9][a-z0-9_-]*`, at most [`PROFILE_NAME_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileName(Box<str>);

/// The reason why a text is no profile name. The message states the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileNameError {
    /// The text is empty.
    #[error("a profile's name cannot be empty: it {RULE}")]
    Empty,
    /// The first character is not allowed at the start.
    #[error("a profile's name cannot start with {first:?}: it {RULE}")]
    BadStart {
        /// The character.
        first: char,
    },
    /// A later character is not allowed.
    #[error("a profile's name cannot contain {bad:?}: it {RULE}")]
    BadCharacter {
        /// The first such character.
        bad: char,
    },
    /// The name of the slot would exceed [`SLOT_NAME_MAX`].
    #[error("a profile's name of {length} bytes is too long: it {RULE}")]
    TooLong {
        /// The length of the text, in bytes.
        length: usize,
    },
    /// The name of a new profile is `default`.
    #[error(
        "the name 'default' is reserved: it is the profile at the root of HERMES_HOME, which always exists"
    )]
    Reserved,
    /// The bytes are not UTF-8.
    #[error("a profile's name must be plain text: it {RULE}")]
    NotText,
}

/// The rule, for the messages. The number is [`PROFILE_NAME_MAX`], as a test checks.
const RULE: &str = "starts with a-z or 0-9, goes on with a-z, 0-9, '_' or '-', and has at most 243 characters (s6 allows 251 for 'gateway-<name>')";

impl ProfileName {
    /// Returns the name of the profile in the root of `HERMES_HOME`.
    pub fn default_profile() -> Self {
        Self(DEFAULT.into())
    }

    /// Checks the name of an existing or requested profile. Accepts `default`.
    ///
    /// # Errors
    /// Fails if the text breaks the rule.
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

    /// Checks the name of a new profile. Refuses `default`, which always exists.
    ///
    /// # Errors
    /// Fails if the text breaks the rule or is reserved.
    pub fn for_new_profile(name: &str) -> Result<Self, ProfileNameError> {
        let name = Self::new(name)?;
        if name.is_default() { Err(ProfileNameError::Reserved) } else { Ok(name) }
    }

    /// Returns `true` for the profile in the root of `HERMES_HOME`.
    pub fn is_default(&self) -> bool {
        &*self.0 == DEFAULT
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of the gateway's slot: `gateway-<name>`.
    pub fn gateway_slot_name(&self) -> String {
        format!("{SLOT_PREFIX}{}", self.0)
    }

    /// Returns the profile of a gateway slot; `None` for another slot.
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
    fn valid_names_are_accepted(#[case] name: &str) {
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
    fn invalid_names_are_refused_with_the_rule(#[case] name: &str, #[case] expected: ProfileNameError) {
        let error = ProfileName::new(name).unwrap_err();
        assert_eq!(error, expected);
        assert!(error.to_string().contains("a-z, 0-9, '_' or '-'"), "{error}");
    }

    #[test]
    fn the_longest_name_fits_the_longest_slot_name() {
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
    fn slot_names_convert_back_to_profiles() {
        let name = ProfileName::new("coder").unwrap();
        assert_eq!(name.gateway_slot_name(), "gateway-coder");
        assert_eq!(ProfileName::from_gateway_slot_name("gateway-coder"), Some(name));
        for other in ["dashboard", "gateway-", "gateway", "gateway-A", "gateway-.x", "xgateway-a"] {
            assert_eq!(ProfileName::from_gateway_slot_name(other), None, "{other}");
        }
    }

    #[test]
    fn invalid_names_in_json_are_refused() {
        assert_eq!(serde_json::to_string(&ProfileName::new("a").unwrap()).unwrap(), r#""a""#);
        assert!(serde_json::from_str::<ProfileName>(r#""../a""#).is_err());
    }
}
