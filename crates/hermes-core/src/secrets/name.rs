//! Recognizes the names of secret variables and settings. In doubt, a name is secret.

/// The words in secret names.
const WORDS: &[&str] = &[
    "key",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "cookie",
    "authorization",
    "auth",
];

/// Returns `true` if a name ends in one of the words, or has one as a part.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let singular = |part: &str| part.strip_suffix('s').unwrap_or(part).to_owned();
    let parts = name.split(|character: char| !character.is_ascii_alphanumeric());
    let mut parts = parts.map(singular);
    parts.any(|part| WORDS.iter().any(|word| part == *word))
        || WORDS.iter().any(|word| singular(&name).ends_with(word))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("key", true)]
    #[case("keys", true)]
    #[case("OPENAI_API_KEY", true)]
    #[case("bot-tokens", true)]
    #[case("apikey", true)]
    #[case("Password", true)]
    #[case("client_secret_v2", true)]
    #[case("credentials", true)]
    #[case("port", false)]
    #[case("model", false)]
    #[case("keyboard", false)]
    fn secret_names_are_recognized_by_their_words(#[case] name: &str, #[case] secret: bool) {
        assert_eq!(is_secret_name(name), secret);
    }
}
