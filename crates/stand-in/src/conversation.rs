//! A small conversation by rules. Every answer says that no model wrote it.

use crate::answer::Answer;
use crate::prompt::Prompt;

/// The first sentence of every answer.
const INTRODUCTION: &str = "I am a stand-in for a model: I follow a few rules and understand nothing.";

/// Returns the answer to the last message.
pub(crate) fn answer(prompt: &Prompt) -> Answer {
    let said = prompt.last_of_user();
    let mut text = format!("{INTRODUCTION} You said: \"{said}\".");
    let count = prompt.messages.len();
    let plural = if count == 1 { "" } else { "s" };
    text.push_str(&format!(" This conversation has {count} message{plural}."));
    // Chat Completions has a message for each result.
    let last = prompt.messages.iter().rev().take_while(|line| !line.results.is_empty());
    let results: Vec<&str> = last.flat_map(|line| line.results.iter().rev()).map(String::as_str).collect();
    if !results.is_empty() {
        let results: Vec<&str> = results.into_iter().rev().collect();
        text.push_str(&format!(" The tools gave: \"{}\".", results.join("\", \"")));
    } else if let Some(word) = word_in(said) {
        text.push_str(&format!(" I will remember the word \"{word}\"."));
    } else if asks_for_word(said) {
        let users = prompt.messages.iter().rev().filter(|line| line.role == "user");
        match users.filter_map(|line| word_in(&line.text)).next() {
            Some(word) => text.push_str(&format!(" You asked me to remember the word \"{word}\".")),
            None => text.push_str(" No message of this conversation has a word to remember."),
        }
    } else if count == 1 {
        text.push_str(" Try: \"remember the word apple\", and then: \"which word?\".");
    }
    Answer { text, ..Answer::default() }
}

/// Returns the word in "remember the word WORD" or "remember WORD".
fn word_in(text: &str) -> Option<&str> {
    let mut words = text.split_whitespace();
    words.find(|word| word.trim_matches(is_mark).eq_ignore_ascii_case("remember"))?;
    let mut words = words.map(|word| word.trim_matches(is_mark)).filter(|word| !word.is_empty());
    let is_filler =
        |word: &&str| ["the", "this", "word"].iter().any(|filler| word.eq_ignore_ascii_case(filler));
    words.find(|word| !is_filler(word))
}

fn asks_for_word(text: &str) -> bool {
    let lower = text.to_lowercase();
    lower.contains("word") && lower.contains('?')
}

fn is_mark(letter: char) -> bool {
    !letter.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::prompt::Line;

    fn prompt(texts: &[&str]) -> Prompt {
        let role = |index| if index % 2 == 0 { "user" } else { "assistant" };
        let line = |(index, text): (usize, &&str)| Line {
            role: role(index).into(),
            text: (*text).into(),
            results: Vec::new(),
        };
        Prompt { messages: texts.iter().enumerate().map(line).collect(), ..Prompt::default() }
    }

    #[rstest]
    #[case(&["hi"], "You said: \"hi\". This conversation has 1 message. Try:")]
    #[case(&["hi", "I am", "hi"], "This conversation has 3 messages.")]
    #[case(&["remember the word apple"], "I will remember the word \"apple\".")]
    #[case(&["Please remember: apple.", "yes", "Which word?"], "You asked me to remember the word \"apple\".")]
    #[case(&["remember a1", "yes", "remember b2", "yes", "what was the word?"], "remember the word \"b2\".")]
    #[case(&["which word?"], "No message of this conversation has a word to remember.")]
    fn answers_follow_the_rules(#[case] texts: &[&str], #[case] part: &str) {
        let text = answer(&prompt(texts)).text;
        assert!(text.starts_with("I am a stand-in for a model:"), "{text}");
        assert!(text.contains(part), "{text}");
    }
}
