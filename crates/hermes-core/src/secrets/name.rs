//! Which name is that of a secret: of a variable, of a setting. Rather too many than too few.

/// The words that make a name that of a secret.
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

/// Whether a name says that its value is secret: it ends in one of the words, or has one among its parts.
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
    fn the_words_of_a_name_say_whether_it_is_secret(#[case] name: &str, #[case] secret: bool) {
        assert_eq!(is_secret_name(name), secret);
    }
}
