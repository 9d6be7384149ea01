//! The tool `clarify`: a question to the person of the session. The next message of the person is the result.

use std::pin::Pin;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::{Effect, Invocation, Tool, ToolOutput, ToolSchema, arguments};
use crate::question::Reply;

/// The most choices of a question.
const CHOICES_MAX: usize = 4;

/// The most characters of a question and of a choice. A longer one fills the person's screen.
const QUESTION_CHARACTERS: usize = 2_000;
const CHOICE_CHARACTERS: usize = 200;

const ABSENT: &str =
    "Nobody can answer during this turn. Put the question into your answer and end the turn.";
const UNANSWERED: &str = "Nobody answered in time. Go on with your best judgement, and say what you assumed.";
const NEXT_MESSAGE: &str = "The answer is the next message of the person.";

/// The tool.
#[derive(Debug)]
pub struct ClarifyTool {
    timeout: Duration,
}

/// The arguments.
#[derive(Deserialize)]
struct Arguments {
    question: String,
    #[serde(default)]
    choices: Vec<String>,
}

impl ClarifyTool {
    /// Creates the tool. A person has `timeout` for an answer.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    async fn call(&self, call: Invocation) -> Result<ToolOutput, String> {
        let Arguments { question, choices } = checked(arguments::parse(&self.schema(), call.arguments)?)?;
        let Some(asker) = call.asker else { return Ok(ToolOutput::done(ABSENT)) };
        let reply = asker.ask(question, choices.clone(), self.timeout).await;
        Ok(ToolOutput::done(match reply {
            Some(Reply::Text(text)) => chosen(&choices, &text),
            Some(Reply::NextMessage) => NEXT_MESSAGE.to_owned(),
            None => UNANSWERED.to_owned(),
        }))
    }
}

/// Returns the arguments without empty choices, and without space around the texts.
fn checked(Arguments { question, choices }: Arguments) -> Result<Arguments, String> {
    let question = question.trim().to_owned();
    let choices = choices.iter().map(|choice| choice.trim().to_owned());
    let choices: Vec<String> = choices.filter(|choice| !choice.is_empty()).collect();
    let is_longer = |text: &str, limit: usize| text.chars().nth(limit).is_some();
    if question.is_empty() {
        return Err("failed to ask the person: `question` is empty".to_owned());
    }
    if choices.len() > CHOICES_MAX {
        let count = choices.len();
        return Err(format!(
            "failed to ask the person: `choices` has {count} texts, and {CHOICES_MAX} are allowed\n\
             hint: leave some out; the person can type another answer"
        ));
    }
    if is_longer(&question, QUESTION_CHARACTERS)
        || choices.iter().any(|text| is_longer(text, CHOICE_CHARACTERS))
    {
        return Err(format!(
            "failed to ask the person: the question has more than {QUESTION_CHARACTERS} characters, or a choice more than \
             {CHOICE_CHARACTERS}\nhint: write a shorter one"
        ));
    }
    Ok(Arguments { question, choices })
}

/// Returns the choice whose number the text is, else the text.
fn chosen(choices: &[String], text: &str) -> String {
    let number: Option<usize> = text.trim().trim_end_matches('.').parse().ok();
    let choice = number.and_then(|number| choices.get(number.checked_sub(1)?));
    choice.cloned().unwrap_or_else(|| text.to_owned())
}

impl Tool for ClarifyTool {
    fn schema(&self) -> ToolSchema {
        ToolSchema {
            name: "clarify".to_owned(),
            description: "Asks the person a question and waits for the answer. Use it when a wrong guess would be costly."
                .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "question": {"type": "string"},
                    "choices": {
                        "type": "array",
                        "items": {"type": "string"},
                        "maxItems": CHOICES_MAX,
                        "description": "the person can also type another answer",
                    },
                },
                "required": ["question"],
            }),
        }
    }

    fn effect(&self) -> Effect {
        Effect::None
    }

    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>> {
        Box::pin(async move { self.call(call).await.unwrap_or_else(ToolOutput::failed) })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::Value;

    use super::*;

    #[rstest]
    #[case("1", "red")]
    #[case(" 2. ", "blue")]
    #[case("3", "3")]
    #[case("0", "0")]
    #[case("-1", "-1")]
    #[case("2 of them", "2 of them")]
    #[case("green", "green")]
    fn a_number_picks_its_choice(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(chosen(&["red".to_owned(), "blue".to_owned()], text), expected);
    }

    #[rstest]
    #[case::absent(json!({"question": "Why?"}), ABSENT)]
    #[case::no_question(json!({"choices": ["a"]}), "`question` is missing")]
    #[case::empty_question(json!({"question": " "}), "`question` is empty")]
    #[case::choices(json!({"question": "?", "choices": ["a", "b", "c", "d", "e"]}), "`choices` has 5 texts")]
    #[case::long(json!({"question": "?".repeat(2_001)}), "more than 2000 characters")]
    #[case::long_choice(json!({"question": "?", "choices": ["a".repeat(201)]}), "a choice more than 200")]
    #[case::empty_choices(json!({"question": "?", "choices": ["a", "", " ", "b", "c", "d"]}), ABSENT)]
    #[tokio::test]
    async fn a_call_without_a_person_ends_at_once(#[case] arguments: Value, #[case] expected: &str) {
        let tool = ClarifyTool::new(Duration::from_secs(600));
        let output = tool.run(Invocation::confined("s".into(), arguments)).await;
        assert!(output.content.contains(expected), "{output:?}");
        assert_eq!(output.is_error, expected != ABSENT, "{output:?}");
    }
}
