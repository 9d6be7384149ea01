//! Performs the effects of a turn: calls models, runs tools, stores each step, and reports events.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};

use crate::compaction::{Cause, Gains};
use crate::engine::call_ids::give_own_ids;
use crate::engine::compact::{CompactError, Lengths};
use crate::engine::model_call::{ModelCall, News, WAITING_INTERVAL, news_of};
use crate::engine::parts::Engine;
use crate::engine::progress::Progress;
use crate::engine::questions::Questions;
use crate::engine::spending::Permission;
use crate::engine::tool_run::{ToolRun, tool_run};
use crate::engine::turn::{Effect, Limits, Turn, TurnEvent};
use crate::engine::waits::{result_of, until};
use crate::loop_guard::{LoopGuard, Verdict};
use crate::message::{Message, Role, ToolCall, ToolResult, Usage};
use crate::protocol::{Event, StopReason, Submission, TurnEnd, TurnError};
use crate::provider::{ErrorClass, Finish, ModelAnswer, ModelProgress, ProviderError};
use crate::question::Person;
use crate::store::{Change, SessionId, StoreError, TurnId};
use crate::tokens;

/// A turn that runs, with the parts that the driver waits for.
pub(super) struct Driver<'e> {
    engine: &'e Engine,
    session: SessionId,
    turn: TurnId,
    machine: Turn,
    guard: LoopGuard,
    events: &'e mut (dyn FnMut(Event) + Send),
    model_call: Option<ModelCall<'e>>,
    questions: Questions,
    tools: FuturesUnordered<BoxFuture<'e, ToolRun>>,
    calls: Vec<ToolCall>,
    wait: Option<Instant>,
    compaction: Option<BoxFuture<'e, Result<Lengths, CompactError>>>,
    /// The start of the servers of tools. No model call comes before its end.
    preparation: Option<BoxFuture<'e, ()>>,
    progress: mpsc::UnboundedReceiver<Progress>,
    report: mpsc::UnboundedSender<Progress>,
    /// The estimate of the running call, in tokens.
    estimated: u64,
    /// The tokens of the last prompt, as the provider reported them.
    reported_input: u64,
    usage: Usage,
    text: String,
}

impl<'e> Driver<'e> {
    pub(super) fn new(
        engine: &'e Engine,
        session: SessionId,
        turn: TurnId,
        person: Person,
        events: &'e mut (dyn FnMut(Event) + Send),
    ) -> Self {
        let (report, progress) = mpsc::unbounded_channel();
        let limits = Limits { model_calls: engine.limits.model_calls, models: engine.models.len() };
        Self {
            engine,
            session,
            turn,
            machine: Turn::new(limits),
            guard: LoopGuard::default(),
            events,
            model_call: None,
            questions: Questions::new(person),
            tools: FuturesUnordered::new(),
            calls: Vec::new(),
            wait: None,
            compaction: None,
            preparation: engine.prepare(report.clone()),
            progress,
            report,
            estimated: 0,
            reported_input: 0,
            usage: Usage::default(),
            text: String::new(),
        }
    }

    /// Runs the turn to its end.
    ///
    /// # Errors
    /// The store failed. The turn is then as its last stored step.
    pub(super) async fn run(
        mut self,
        compaction_due: bool,
        inbox: &mut mpsc::Receiver<Submission>,
    ) -> Result<TurnEnd, StoreError> {
        (self.events)(Event::TurnStarted { session: self.session.to_string(), turn: self.turn.0 });
        let mut events = VecDeque::new();
        if self.preparation.is_none() {
            events.push_back(TurnEvent::Started { compaction_due });
        }
        let mut inbox_is_open = true;
        loop {
            while let Some(event) = events.pop_front() {
                let mut last = Vec::new();
                let mut effects = self.machine.on(event).into_iter();
                while let Some(effect) = effects.next() {
                    match effect {
                        Effect::End { reason, error } => {
                            return self.end(last, reason, error, inbox).await;
                        }
                        // One transaction stores the answer and the end.
                        Effect::StoreAnswer { message, usage }
                            if matches!(effects.as_slice(), [Effect::End { .. }]) =>
                        {
                            last = self.answer(message, usage).await?;
                        }
                        effect => self.perform(effect, &mut events).await?,
                    }
                }
            }
            tokio::select! {
                // What a call reported counts before its end.
                biased;
                Some(progress) = self.progress.recv() => events.extend(self.on_progress(progress)),
                submission = inbox.recv(), if inbox_is_open => match submission {
                    Some(Submission::UserTurn { message }) => {
                        let (ended, message) = self.questions.answer(message);
                        ended.into_iter().for_each(&mut *self.events);
                        events.extend(message.map(TurnEvent::Input));
                    }
                    Some(Submission::Interrupt) => events.push_back(TurnEvent::Interrupt),
                    Some(Submission::Compact) => {
                        let text = "the history is compacted between turns: ask again after the turn".to_owned();
                        (self.events)(Event::Notice { text });
                    }
                    None => inbox_is_open = false,
                },
                event = self.questions.next() => (self.events)(event),
                news = news_of(&mut self.model_call) => match news {
                    News::Waits { seconds } => (self.events)(Event::Waiting { seconds }),
                    News::Ended(answer) => {
                        self.drain_progress(&mut events);
                        events.push_back(self.on_answer(answer).await?);
                    }
                },
                Some(run) = self.tools.next(), if !self.tools.is_empty() => {
                    self.drain_progress(&mut events);
                    events.push_back(self.on_tool_run(run)?);
                }
                () = result_of(&mut self.preparation) => {
                    self.preparation = None;
                    self.drain_progress(&mut events);
                    events.push_back(TurnEvent::Started { compaction_due });
                }
                () = until(self.wait) => {
                    self.wait = None;
                    events.push_back(TurnEvent::WaitOver);
                }
                compacted = result_of(&mut self.compaction) => {
                    self.compaction = None;
                    events.push_back(self.on_compacted(compacted)?);
                }
            }
        }
    }

    async fn perform(&mut self, effect: Effect, events: &mut VecDeque<TurnEvent>) -> Result<(), StoreError> {
        match effect {
            Effect::CallModel { model, attempt, without_reasoning } => {
                if let Some(event) = self.call_model(model, attempt, without_reasoning).await? {
                    events.push_back(event);
                }
            }
            Effect::StopModel => self.stop_model().await?,
            Effect::StoreAnswer { message, usage } => {
                let changes = self.answer(message, usage).await?;
                self.engine.store.step(self.turn, changes).await?;
            }
            Effect::RunTools(calls) => {
                for call in calls {
                    self.calls.push(call.clone());
                    let asker = self.questions.asker(&call.id);
                    self.tools.push(tool_run(
                        self.engine,
                        self.turn,
                        self.session.clone(),
                        call,
                        self.report.clone(),
                        asker,
                    ));
                }
            }
            Effect::StopTools => {
                self.tools.clear();
                self.questions.stop().into_iter().for_each(&mut *self.events);
            }
            Effect::StoreResult(result) => self.store_result(result).await?,
            Effect::Wait { at_least, jitter, cause } => {
                let wait = if jitter { at_least + random_share(at_least) } else { at_least };
                let after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                (self.events)(Event::Retry { cause, after_ms, fallback: false });
                self.wait = Some(Instant::now() + wait);
            }
            Effect::FallBack { cause } => (self.events)(Event::Retry { cause, after_ms: 0, fallback: true }),
            Effect::QueueInput(message) => {
                self.engine.store.queue_input(&self.session, message).await?;
            }
            Effect::TakeInputs => {
                for message in self.engine.store.take_inputs(&self.session).await? {
                    (self.events)(Event::Steered { message: message.message });
                }
            }
            Effect::Compact { too_long } => {
                let (engine, session) = (self.engine, self.session.clone());
                let cause =
                    if too_long { Cause::TooLong } else { Cause::Due { reported: self.reported_input } };
                self.compaction = Some(Box::pin(async move { engine.compact(&session, cause).await }));
            }
            Effect::StopCompaction => self.compaction = None,
            // `run` ends the turn.
            Effect::End { .. } => {}
        }
        Ok(())
    }

    /// Starts a model call. Returns an event instead if the budget allows none.
    async fn call_model(
        &mut self,
        index: usize,
        attempt: u32,
        without_reasoning: bool,
    ) -> Result<Option<TurnEvent>, StoreError> {
        let Some(provider) = self.engine.models.get(index).cloned() else {
            return Ok(Some(TurnEvent::Failed(no_model())));
        };
        let mut request = self.engine.request(&self.session).await?;
        request.without_reasoning = without_reasoning;
        self.estimated = self.engine.estimate(&request);
        let reservation = match self.engine.reserve(provider.model(), &request, self.usage).await? {
            Permission::Granted(reservation) => reservation,
            Permission::Refused(message) => return Ok(Some(TurnEvent::OverBudget { message })),
        };
        let model = provider.model().to_owned();
        (self.events)(Event::ModelCallStarted {
            provider: provider.name().to_owned(),
            model: model.clone(),
            attempt,
        });
        let report = self.report.clone();
        let future = Box::pin(async move {
            let mut progress = move |progress| {
                // The receiver lives as long as this future.
                let _ = report.send(Progress::Model(progress));
            };
            provider.call(&request, &mut progress).await
        });
        let began = Instant::now();
        let ticks = interval_at(began + WAITING_INTERVAL, WAITING_INTERVAL);
        let text = String::new();
        self.model_call =
            Some(ModelCall { reservation, future, model, began, ticks, text, is_visible: false });
        Ok(None)
    }

    /// Takes the progress that a part reported right before its end.
    fn drain_progress(&mut self, events: &mut VecDeque<TurnEvent>) {
        while let Ok(progress) = self.progress.try_recv() {
            events.extend(self.on_progress(progress));
        }
    }

    fn on_progress(&mut self, progress: Progress) -> Option<TurnEvent> {
        match progress {
            Progress::Notice(text) => {
                (self.events)(Event::Notice { text });
                None
            }
            Progress::ToolStarted(call) => {
                (self.events)(Event::ToolStarted { call });
                None
            }
            Progress::Spent(usage) => {
                self.usage.add(usage);
                None
            }
            Progress::Asked(approval) => {
                self.questions.approval_begins();
                (self.events)(Event::ApprovalRequested { approval });
                None
            }
            Progress::Answered(id, state) => {
                self.questions.approval_ends();
                (self.events)(Event::ApprovalEnded { id, state });
                None
            }
            Progress::Model(progress) => {
                // Progress of a call that was stopped.
                let call = self.model_call.as_mut()?;
                let was_visible = call.is_visible;
                match progress {
                    ModelProgress::Accepted => return None,
                    ModelProgress::Text(text) => {
                        call.text.push_str(&text);
                        call.is_visible = true;
                        (self.events)(Event::TextDelta { text });
                    }
                    ModelProgress::Reasoning(text) => (self.events)(Event::ReasoningDelta { text }),
                }
                (call.is_visible && !was_visible).then_some(TurnEvent::Visible)
            }
        }
    }

    /// Takes the result of the model call. After a failure that the user has seen a part of, `StopModel` follows and stores that
    /// part.
    async fn on_answer(
        &mut self,
        answer: Result<ModelAnswer, ProviderError>,
    ) -> Result<TurnEvent, StoreError> {
        let ModelAnswer { mut blocks, usage, finish } = match answer {
            Ok(answer) => answer,
            Err(error) => {
                if self.model_call.as_ref().is_some_and(|call| !call.is_visible) {
                    self.end_call(Usage::default()).await?;
                }
                return Ok(TurnEvent::Failed(error));
            }
        };
        if let Some(usage) = usage {
            self.usage.add(usage);
            self.reported_input = usage.input;
            self.engine.estimator().learn(self.estimated, usage.input);
        }
        (self.events)(Event::ModelCallEnded { usage: usage.unwrap_or_default() });
        give_own_ids(&mut blocks);
        let message = Message { role: Role::Assistant, blocks };
        if finish == Finish::Complete && message.calls().next().is_none() && message.plain_text().is_empty() {
            self.end_call(usage.unwrap_or_default()).await?;
            return Ok(TurnEvent::Failed(empty_answer()));
        }
        self.text = message.plain_text();
        let compaction_due = self.engine.compaction_is_due(&self.session, usage);
        Ok(TurnEvent::Answered { message, finish, usage, compaction_due })
    }

    /// Forgets the model call, and settles its part of the budget. Returns its model and the text that the user has seen.
    async fn end_call(&mut self, used: Usage) -> Result<Option<(String, String)>, StoreError> {
        let Some(ModelCall { reservation, model, text, .. }) = self.model_call.take() else {
            return Ok(None);
        };
        self.engine.settle(reservation, &model, used).await?;
        Ok(Some((model, text)))
    }

    /// Returns the use of a call whose server reported none.
    fn estimated_use(&self, text: &str) -> Usage {
        Usage { input: self.estimated, output: tokens::of_text(text), ..Usage::default() }
    }

    /// Settles the model call, and returns the changes that store its answer.
    async fn answer(&mut self, message: Message, usage: Option<Usage>) -> Result<Vec<Change>, StoreError> {
        let used = usage.unwrap_or_else(|| self.estimated_use(&self.text));
        let model = self.end_call(used).await?.map(|(model, _)| model);
        let runs: Vec<Change> = message.calls().map(|call| self.engine.planned(call)).collect();
        let answer = Change::Message { message, model, usage, interrupted: false };
        Ok(std::iter::once(answer).chain(runs).collect())
    }

    /// Drops the model call, and stores the text that the user has seen.
    async fn stop_model(&mut self) -> Result<(), StoreError> {
        let seen = self.model_call.as_ref().map_or("", |call| &call.text);
        let used = self.estimated_use(seen);
        let Some((model, text)) = self.end_call(used).await? else { return Ok(()) };
        if text.is_empty() {
            return Ok(());
        }
        self.text.clone_from(&text);
        let message = Message::text(Role::Assistant, text);
        let change = Change::Message { message, model: Some(model), usage: None, interrupted: true };
        self.engine.store.step(self.turn, vec![change]).await.map(drop)
    }

    fn on_tool_run(&mut self, run: ToolRun) -> Result<TurnEvent, StoreError> {
        let ToolRun { call, result } = run;
        let mut result = result?;
        let stop = match self.guard.observe(&call, &result) {
            Verdict::Fine => None,
            Verdict::Warn(warning) => {
                result.content.push_str("\n\n");
                result.content.push_str(&warning);
                None
            }
            Verdict::Stop(message) => Some(message),
        };
        Ok(TurnEvent::ToolEnded { result, stop })
    }

    async fn store_result(&mut self, result: ToolResult) -> Result<(), StoreError> {
        let call = self.calls.iter().position(|call| call.id == result.call_id);
        let call = call.map(|index| self.calls.swap_remove(index));
        let name = call.as_ref().map_or_else(String::new, |call| call.name.clone());
        (self.events)(Event::ToolEnded { name, result: result.clone() });
        let mut changes: Vec<Change> = call.map(|call| self.engine.ended(&call)).into_iter().collect();
        changes.push(Change::message(Message::result(result)));
        self.engine.store.step(self.turn, changes).await.map(drop)
    }

    fn on_compacted(&mut self, compacted: Result<Lengths, CompactError>) -> Result<TurnEvent, StoreError> {
        match compacted {
            Ok(Lengths { before, after }) => {
                (self.events)(Event::Compacted { before, after });
                self.tell_if_compaction_stopped();
                Ok(TurnEvent::Compacted { gained: after < before })
            }
            Err(CompactError::NoGain(error)) => {
                (self.events)(Event::Notice { text: error.to_string() });
                self.tell_if_compaction_stopped();
                Ok(TurnEvent::Compacted { gained: false })
            }
            Err(CompactError::Model(error)) => {
                let text = format!("failed to compact the conversation: {}", error.message);
                (self.events)(Event::Notice { text });
                Ok(TurnEvent::CompactionFailed(error))
            }
            Err(CompactError::Store(error)) => Err(error),
        }
    }

    fn tell_if_compaction_stopped(&mut self) {
        if self.engine.compaction_stopped(&self.session) {
            (self.events)(Event::Notice { text: Gains::STOPPED.to_owned() });
        }
    }

    /// Ends the turn. A message that came too late for it waits for the next turn.
    async fn end(
        self,
        last: Vec<Change>,
        reason: StopReason,
        error: Option<TurnError>,
        inbox: &mut mpsc::Receiver<Submission>,
    ) -> Result<TurnEnd, StoreError> {
        let ended = self.engine.store.end_turn(self.turn, last, reason, error.clone()).await;
        // From here on, a sender begins a turn of its own.
        inbox.close();
        while let Ok(submission) = inbox.try_recv() {
            if let Submission::UserTurn { message } = submission {
                self.engine.store.queue_input(&self.session, message).await?;
                let text = "a message came after the last model call: it goes in with the next turn";
                (self.events)(Event::Notice { text: text.to_owned() });
            }
        }
        ended?;
        let end = TurnEnd {
            session: self.session.to_string(),
            turn: self.turn.0,
            reason,
            text: self.text,
            usage: self.usage,
            error,
        };
        (self.events)(Event::TurnEnded(end.clone()));
        Ok(end)
    }
}

/// Returns a random part, up to a quarter, of `time`. Clients that failed together then come back apart.
fn random_share(time: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or_default();
    time.mul_f64(0.25 * f64::from(random) / f64::from(u32::MAX))
}

fn no_model() -> ProviderError {
    failure(ErrorClass::Configuration, "no model is configured")
}

fn empty_answer() -> ProviderError {
    failure(ErrorClass::BadAnswer, "the model's answer is empty")
}

fn failure(class: ErrorClass, message: &str) -> ProviderError {
    ProviderError { class, message: message.to_owned(), status: None, retry_after: None, hint: None }
}
