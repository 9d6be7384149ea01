//! The agent of a profile: its settings, its store and its engine, as surfaces use them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use hermes_core::{Home, ProfileName};
use tokio::sync::mpsc;

use crate::approval::{Answer, ApprovalId};
use crate::compaction::{Cause, DEFAULT_CONTEXT_LENGTH};
use crate::engine::{CompactError, Engine, EngineLimits, Lengths};
use crate::message::{Message, Usage};
use crate::prompt::{self, Prompt, PromptInput};
use crate::protocol::{Event, Submission, TurnEnd};
use crate::provider;
use crate::question::Person;
use crate::sandbox::{Launcher, Level};
use crate::settings::{self, ApprovalMode, Memory, Settings, SettingsError};
use crate::store::{
    Answered, BeginError, Limit, NewSession, OnDisk, Opened, Owner, OwnerError, Request, SessionId, Store,
    StoreError, Used,
};
use crate::tools::{Rules, Toolbox, ToolboxError, ToolboxOptions};

/// The submissions that may wait for a running turn. More are refused.
const INBOX: usize = 16;

/// The options of an agent. Not `Debug`, because the environment holds secrets.
pub struct AgentOptions {
    /// The paths of the volume.
    pub home: Home,
    /// The profile.
    pub profile: ProfileName,
    /// The variables of the process. Those in the profile's `.env` are above them.
    pub environment: BTreeMap<String, String>,
    /// A model that replaces the configured one.
    pub model: Option<String>,
    /// The most model calls of a turn, in place of `agent.max_turns`.
    pub max_turns: Option<u32>,
    /// The process, for a message about a busy session, as `hermes chat`.
    pub description: String,
    /// The directory that is searched for a project file.
    pub working_directory: Option<PathBuf>,
}

/// An agent. It runs any number of turns at one time, one per session.
pub struct Agent {
    engine: Engine,
    home: Home,
    profile: ProfileName,
    working_directory: Option<PathBuf>,
    model: String,
    memory: Memory,
    running: Mutex<HashMap<SessionId, mpsc::Sender<Submission>>>,
}

/// An opened agent.
pub struct OpenedAgent {
    /// The agent.
    pub agent: Agent,
    /// Sentences for the user: settings without effect, a database that was set aside.
    pub notices: Vec<String>,
}

/// The reason why an agent cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The settings are incomplete or invalid.
    #[error("failed to open the agent")]
    Settings(#[source] SettingsError),
    /// The store cannot be used.
    #[error("failed to open the sessions of the agent")]
    Store(#[from] StoreError),
    /// The settings of the tools are invalid.
    #[error("failed to prepare the tools of the agent")]
    Tools(#[from] ToolboxError),
    /// The file that shows other processes that this one lives cannot be made.
    #[error("failed to register this process as an owner of turns")]
    Owner(#[source] OwnerError),
}

/// The start of a conversation.
#[derive(Clone, Debug, Default)]
pub struct NewConversation {
    /// The surface: `cli`, `api`.
    pub source: String,
    /// The title.
    pub title: Option<String>,
    /// The system text of a client. It goes behind the agent's own.
    pub client_system: Option<String>,
    /// The ID. `None` makes one.
    pub id: Option<SessionId>,
    /// The messages so far, from a client that holds the conversation itself.
    pub history: Vec<Message>,
    /// The moment from which it survives a power failure.
    pub on_disk: OnDisk,
    /// The number of agents between a person and the conversation. See [`Store::depth`].
    pub depth: u32,
}

/// The outcome of a submitted message.
#[derive(Clone, Debug, PartialEq)]
pub enum Submitted {
    /// Its turn ended.
    Ended(TurnEnd),
    /// A turn of the session runs in this process. The message goes in before its next model call.
    Steered,
}

/// The outcome of a message to a running turn.
#[derive(Debug, PartialEq)]
pub enum Steer {
    /// It goes in before the next model call.
    Taken,
    /// Too many messages wait for the turn.
    Full,
    /// This process runs no turn of the session. The message comes back.
    NoTurn(Message),
}

/// The reason why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// No turn began.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// Too many messages wait for the running turn.
    #[error("failed to add the message: too many wait for the running turn; wait for its end")]
    Full,
}

impl Agent {
    /// Opens the agent: reads the settings, opens the store, prepares the clients. It makes no call.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub fn open(options: AgentOptions) -> Result<OpenedAgent, AgentError> {
        let AgentOptions { home, profile, environment, model, max_turns, description, working_directory } =
            options;
        let settings = settings::load(&home, &profile, &environment, model.as_deref());
        let settings = settings.map_err(AgentError::Settings)?;
        let clients = settings.models.iter().map(provider::connect).collect();
        let database = home.database(&profile);
        let Opened { store, mut notices } = Store::open(&database)?;
        let owner = Owner::claim(&database, &description).map_err(AgentError::Owner)?;
        notices.extend(settings.warnings.iter().cloned());
        let model = settings.models.first().map(|model| model.model.clone()).unwrap_or_default();
        let limits = limits(&settings, max_turns);
        let level = Level::probe();
        let is_confined = level.landlock_abi.is_some() && level.seccomp;
        let rules = Rules { approvals: settings.tools.approvals.clone(), is_confined };
        let network = settings.models.first().map(|model| model.network.clone()).unwrap_or_default();
        let toolbox = Toolbox::of_agent(ToolboxOptions {
            home: &home,
            profile: &profile,
            environment: &environment,
            store: store.clone(),
            terminal: settings.tools.terminal.clone(),
            clarify: settings.tools.clarify,
            memory: settings.memory,
            network,
            secrets: settings.models.iter().filter_map(|model| model.key.clone()).collect(),
            launcher: Launcher::default(),
            servers: settings.mcp.clone(),
            needs_sandbox: settings.tools.approvals.mode != ApprovalMode::Off,
        })?;
        let engine = Engine::new(store, owner, clients, toolbox, limits, rules);
        let agent = Self {
            engine,
            home,
            profile,
            working_directory,
            model,
            memory: settings.memory,
            running: Mutex::default(),
        };
        Ok(OpenedAgent { agent, notices })
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        self.engine.store()
    }

    /// Begins a request with an `Idempotency-Key`. `fingerprint` is a digest of it. See [`Store::begin_request`].
    ///
    /// # Errors
    /// The store failed.
    pub async fn begin_request(&self, key: &str, fingerprint: &str) -> Result<Request, StoreError> {
        self.store().begin_request(self.engine.owner(), key, fingerprint).await
    }

    /// Returns the name of the default model.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Returns the system prompt that a session with this ID would have.
    pub fn prompt(&self, session: &SessionId, client_system: Option<String>) -> Prompt {
        prompt::build(&PromptInput {
            home: &self.home,
            profile: &self.profile,
            working_directory: self.working_directory.clone(),
            tools: &self.engine.tools().schemas(),
            model: &self.model,
            session: session.as_str(),
            now: SystemTime::now(),
            client_system,
            memory_limit: self.memory.memory_limit(),
            user_limit: self.memory.user_limit(),
        })
    }

    /// Creates a session. Its system prompt is built now, and stays. Returns warnings about the prompt, too.
    ///
    /// # Errors
    /// Another session has the title, or the store failed.
    pub async fn begin(&self, new: NewConversation) -> Result<(SessionId, Vec<String>), StoreError> {
        let id = new.id.unwrap_or_else(|| SessionId::generate(SystemTime::now()));
        let prompt = self.prompt(&id, new.client_system);
        let session = NewSession {
            source: new.source,
            model: self.model.clone(),
            system: prompt.system(),
            title: new.title,
            parent: None,
            id: Some(id),
            history: new.history,
            on_disk: new.on_disk,
            depth: new.depth,
        };
        Ok((self.store().create_session(session).await?, prompt.warnings))
    }

    /// Sends a message to a session. If this process runs a turn of it, the message goes in before the next model call of that turn.
    /// Else it begins a turn, and returns at its end. `person` tells if somebody can answer a question of that turn. Do not drop the
    /// future: interrupt the turn instead.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn send(
        &self,
        session: &SessionId,
        message: Message,
        person: Person,
        events: &mut (dyn FnMut(Event) + Send),
    ) -> Result<Submitted, SubmitError> {
        let (sender, mut inbox) = mpsc::channel(INBOX);
        let message = {
            let mut running = self.running();
            match steer(&running, session, message) {
                Steer::Taken => return Ok(Submitted::Steered),
                Steer::Full => return Err(SubmitError::Full),
                Steer::NoTurn(message) => {
                    running.insert(session.clone(), sender.clone());
                    message
                }
            }
        };
        let _entry = RunningEntry { agent: self, session, inbox: sender };
        let end = self.engine.run_turn(session, message, person, &mut inbox, events).await?;
        Ok(Submitted::Ended(end))
    }

    /// Adds a message to the turn of a session that runs in this process, before its next model call. If a question of the turn waits,
    /// the message is the answer.
    pub fn steer(&self, session: &SessionId, message: Message) -> Steer {
        steer(&self.running(), session, message)
    }

    /// Compacts the conversation of a session.
    ///
    /// # Errors
    /// A turn of the session runs, there is nothing to gain, the model wrote no summary, or the store failed.
    pub async fn compact(&self, session: &SessionId) -> Result<Lengths, CompactError> {
        self.engine.compact(session, Cause::Requested).await
    }

    /// Stores the answer of a person to a question. `by` is the surface. The turn that waits may be of another process.
    ///
    /// # Errors
    /// The store failed.
    pub async fn answer(
        &self,
        id: &ApprovalId,
        answer: Answer,
        by: &'static str,
    ) -> Result<Answered, StoreError> {
        self.engine.answer(id, answer, by).await
    }

    /// Returns the use of today, which counts while the budget limits a day, and that limit.
    ///
    /// # Errors
    /// The store failed.
    pub async fn used_today(&self) -> Result<(Used, Limit), StoreError> {
        self.engine.used_today().await
    }

    /// Returns the cost in US dollars of tokens of the default model; `None` if `budget.prices` has no price for it.
    pub fn cost(&self, usage: Usage) -> Option<f64> {
        self.engine.price_of(&self.model).map(|price| price.cost(usage))
    }

    /// Interrupts the turn of a session. Returns `false` if this process runs none.
    pub fn interrupt(&self, session: &SessionId) -> bool {
        self.running().get(session).is_some_and(|inbox| inbox.try_send(Submission::Interrupt).is_ok())
    }

    /// Interrupts all turns of this process.
    pub fn interrupt_all(&self) {
        for inbox in self.running().values() {
            // A full inbox belongs to a turn that reads it soon, or that the end of the process ends.
            let _ = inbox.try_send(Submission::Interrupt);
        }
    }

    /// Returns the number of turns that this process runs.
    pub fn running_turns(&self) -> usize {
        self.running().len()
    }

    fn running(&self) -> MutexGuard<'_, HashMap<SessionId, mpsc::Sender<Submission>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn steer(
    running: &HashMap<SessionId, mpsc::Sender<Submission>>,
    session: &SessionId,
    message: Message,
) -> Steer {
    // A closed inbox belongs to a turn that has ended.
    let Some(inbox) = running.get(session).filter(|inbox| !inbox.is_closed()) else {
        return Steer::NoTurn(message);
    };
    match inbox.try_send(Submission::UserTurn { message }) {
        Ok(()) => Steer::Taken,
        Err(_) => Steer::Full,
    }
}

/// The entry of a running turn. It goes with the turn.
struct RunningEntry<'a> {
    agent: &'a Agent,
    session: &'a SessionId,
    inbox: mpsc::Sender<Submission>,
}

impl Drop for RunningEntry<'_> {
    fn drop(&mut self) {
        let mut running = self.agent.running();
        // The next turn of the session may have an entry already.
        if running.get(self.session).is_some_and(|inbox| inbox.same_channel(&self.inbox)) {
            running.remove(self.session);
        }
    }
}

fn limits(settings: &Settings, max_turns: Option<u32>) -> EngineLimits {
    let model = settings.models.first();
    EngineLimits {
        model_calls: max_turns.unwrap_or(settings.max_turns),
        context_length: model.and_then(|model| model.context_length).unwrap_or(DEFAULT_CONTEXT_LENGTH),
        answer_length: model.and_then(|model| model.max_tokens),
        compression: settings.compression,
        budget: settings.budget.clone(),
    }
}
