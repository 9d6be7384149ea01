//! The meaning of a scalar, and the form in which a text keeps its meaning.

use serde_json::Value;

/// Returns the meaning of a plain scalar in the core schema of YAML 1.2, §10.3.2. Words of YAML 1.1, such as
/// `yes` and `off`, are text.
pub(super) fn meaning_of_plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    integer(text).or_else(|| float(text)).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Returns the form of a value in the file, and its meaning. A text that reads as a number or a boolean stays
/// plain.
pub(super) fn scalar_text(text: &str) -> (String, Value) {
    if is_plain(text) {
        (text.to_owned(), meaning_of_plain(text))
    } else {
        // Every JSON string is a YAML string.
        let value = Value::String(text.to_owned());
        (value.to_string(), value)
    }
}

/// Returns the form of a name as the key of a mapping. A name that reads as a number or a boolean gets
/// quotes, since other parsers distinguish the two.
pub(super) fn key_text(name: &str) -> String {
    match scalar_text(name) {
        (written, Value::String(_)) if !name.contains(':') => written,
        _ => Value::String(name.to_owned()).to_string(),
    }
}

/// Returns `true` if the text needs no quotes, within brackets too. Some texts that need none get quotes.
fn is_plain(text: &str) -> bool {
    let mut characters = text.chars();
    let starts = match characters.next() {
        None => false,
        Some('-' | '+' | '.') => characters.next().is_some_and(|second| second.is_ascii_alphanumeric()),
        Some(first) => first.is_alphanumeric() || matches!(first, '/' | '_' | '~'),
    };
    starts
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '+' | '@' | ':' | '~' | '-' | ' '))
}

fn integer(text: &str) -> Option<Value> {
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, 8).map(Value::from);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex, 16).map(Value::from);
    }
    match text.strip_prefix('-') {
        Some(magnitude) => 0_i64.checked_sub_unsigned(digits(magnitude, 10)?).map(Value::from),
        None => digits(text.strip_prefix('+').unwrap_or(text), 10).map(Value::from),
    }
}

fn digits(text: &str, radix: u32) -> Option<u64> {
    // `from_str_radix` accepts a sign.
    if text.chars().all(|character| character.is_digit(radix)) {
        u64::from_str_radix(text, radix).ok()
    } else {
        None
    }
}

fn float(text: &str) -> Option<Value> {
    // Rust accepts words beyond the schema: inf, nan, infinity. All begin with a letter.
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    // JSON has no infinity, so it stays text.
    serde_json::Number::from_f64(text.parse().ok()?).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("", Value::Null)]
    #[case("~", Value::Null)]
    #[case("null", Value::Null)]
    #[case("true", json!(true))]
    #[case("False", json!(false))]
    #[case("yes", json!("yes"))]
    #[case("0", json!(0))]
    #[case("-17", json!(-17))]
    #[case("+5", json!(5))]
    #[case("0x1F", json!(31))]
    #[case("0o17", json!(15))]
    #[case("1.5", json!(1.5))]
    #[case("-.5e3", json!(-500.0))]
    #[case("1.2.3", json!("1.2.3"))]
    #[case("nan", json!("nan"))]
    #[case(".inf", json!(".inf"))]
    #[case("-inf", json!("-inf"))]
    #[case("+-5", json!("+-5"))]
    #[case("18446744073709551615", json!(u64::MAX))]
    #[case("-9223372036854775808", json!(i64::MIN))]
    #[case("test/model", json!("test/model"))]
    fn plain_scalars_follow_the_core_schema(#[case] text: &str, #[case] meaning: Value) {
        assert_eq!(meaning_of_plain(text), meaning);
    }

    #[rstest]
    #[case("9300", "9300")]
    #[case("-1", "-1")]
    #[case("openai/gpt-4.1", "openai/gpt-4.1")]
    #[case("http://[::1]:80", "\"http://[::1]:80\"")]
    #[case("http://127.0.0.1:80/x", "http://127.0.0.1:80/x")]
    #[case("two words", "two words")]
    #[case("", "\"\"")]
    #[case(" a", "\" a\"")]
    #[case("a ", "\"a \"")]
    #[case("a: b", "\"a: b\"")]
    #[case("a:", "\"a:\"")]
    #[case("a #b", "\"a #b\"")]
    #[case("- a", "\"- a\"")]
    #[case("---", "\"---\"")]
    #[case("*a", "\"*a\"")]
    #[case("a,b", "\"a,b\"")]
    #[case("a\nb", "\"a\\nb\"")]
    #[case("say \"x\"", "\"say \\\"x\\\"\"")]
    fn ambiguous_text_is_quoted(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(scalar_text(text).0, expected);
    }

    #[test]
    fn ambiguous_names_are_quoted() {
        assert_eq!(key_text("port"), "port");
        for name in ["true", "5", "null", "a:b"] {
            assert_eq!(key_text(name), format!("\"{name}\""));
        }
    }
}
