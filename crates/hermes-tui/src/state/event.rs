//! The events of a turn, as changes of the screen.

use std::time::Instant;

use hermes_agent::protocol::{Event, TurnEnd};
use hermes_terminal::lines;
use hermes_terminal::markdown::Face;

use super::app::App;
use super::approval::Dialog;
use super::transcript::{Entry, ToolState};

impl App {
    pub(super) fn observe(&mut self, event: Event, now: Instant) {
        match event {
            Event::TurnStarted { .. } => self.has_answered = false,
            Event::ModelCallStarted { model, .. } => self.wait_for(format!("waiting for {model}"), now),
            Event::Waiting { .. } => {}
            Event::ReasoningDelta { .. } => self.wait_for("thinking".to_owned(), now),
            Event::TextDelta { text } => {
                self.has_answered |= !text.is_empty();
                self.wait_for("answering".to_owned(), now);
                self.transcript.push_text(&text);
            }
            Event::Retry { cause, after_ms, fallback } => {
                self.note(lines::of_retry(&cause, after_ms, fallback), Face::DIM);
            }
            Event::ModelCallEnded { usage } => self.usage.add(usage),
            Event::ToolStarted { call } => {
                let label = lines::of_call(&call);
                self.wait_for(format!("running {label}"), now);
                let state = ToolState::Running(now);
                self.transcript.push(Entry::Tool { call: call.id, label, state, output: String::new() });
            }
            Event::ToolEnded { name, result } => {
                let (id, content) = (&result.call_id, &result.content);
                self.transcript.end_tool(id, &name, result.is_error, content, now);
            }
            Event::ApprovalRequested { approval } => self.approvals.push_back(Dialog::new(approval, now)),
            Event::ApprovalEnded { id, state } => {
                self.approvals.retain(|dialog| dialog.approval.id != id);
                self.note(lines::of_answer(state).to_owned(), Face::DIM);
            }
            Event::QuestionAsked { question, choices, .. } => {
                for line in lines::of_question(&question, &choices) {
                    self.note(line, Face::default());
                }
                self.wait_for("waiting for your answer".to_owned(), now);
            }
            Event::QuestionEnded { answered, .. } => {
                if !answered {
                    self.note("the question waits no longer".to_owned(), Face::DIM);
                }
            }
            Event::Steered { .. } => {
                self.note("your message is part of the conversation now".to_owned(), Face::DIM);
            }
            Event::Compacted { before, after } => {
                self.note(lines::of_compaction(before, after), Face::DIM);
            }
            Event::Notice { text } => {
                self.note(format!("note: {}", lines::one_line(&text)), Face::default());
            }
            Event::TurnEnded(end) => self.end_turn(&end),
        }
    }

    fn end_turn(&mut self, end: &TurnEnd) {
        // Not every provider streams.
        if !self.has_answered && !end.text.is_empty() {
            self.transcript.push_text(&end.text);
        }
        let face = if end.error.is_some() { Face::ALARM } else { Face::DIM };
        for line in lines::of_end(end) {
            self.note(line, face);
        }
        self.approvals.clear();
    }

    /// Shows the work of the agent. Its time counts from the change on.
    fn wait_for(&mut self, what: String, now: Instant) {
        if self.waiting.as_ref().is_none_or(|(known, _)| *known != what) {
            self.waiting = Some((what, now));
        }
    }
}
