//! One value on one line: what a text in YAML means, and how a text is written so that it means itself.

use serde_json::Value;

/// What a plain scalar means by the core schema of YAML 1.2, §10.3.2. Words of 1.1, `yes` and `off` for instance, are text.
pub(super) fn meaning_of_plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    integer(text).or_else(|| float(text)).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// How a value is written, and what it then means. A text that reads as a number or a boolean is written as one.
pub(super) fn written(text: &str) -> (String, Value) {
    if is_plain(text) {
        (text.to_owned(), meaning_of_plain(text))
    } else {
        // A string of JSON is one of YAML.
        let value = Value::String(text.to_owned());
        (value.to_string(), value)
    }
}

/// How a name is written as the key of a mapping. One that would read as a number or a boolean is quoted, since others tell the
/// two apart.
pub(super) fn written_name(name: &str) -> String {
    match written(name) {
        (written, Value::String(_)) if !name.contains(':') => written,
        _ => Value::String(name.to_owned()).to_string(),
    }
}

/// Whether the text can stand without quotes, within brackets too. Rather too few than too many.
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
    // from_str_radix takes a sign of its own.
    if text.chars().all(|character| character.is_digit(radix)) {
        u64::from_str_radix(text, radix).ok()
    } else {
        None
    }
}

fn float(text: &str) -> Option<Value> {
    // What Rust takes beyond the schema begins with a letter: inf, nan, infinity.
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    // An infinity has no place in JSON and stays text.
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
    fn a_plain_scalar_means_what_the_core_schema_says(#[case] text: &str, #[case] meaning: Value) {
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
    fn a_text_is_quoted_where_it_would_not_mean_itself(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(written(text).0, expected);
    }

    #[test]
    fn a_name_that_reads_as_something_else_is_quoted() {
        assert_eq!(written_name("port"), "port");
        for name in ["true", "5", "null", "a:b"] {
            assert_eq!(written_name(name), format!("\"{name}\""));
        }
    }
}
