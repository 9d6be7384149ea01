//! `hermes turn`: the time line of a turn.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use hermes_agent::approval::Approval;
use hermes_agent::message::Usage;
use hermes_agent::settings::{self, Price};
use hermes_agent::store::{RunState, ToolRunRecord, TurnId, TurnRecord};
use hermes_core::{ProfileName, timestamp};
use hermes_operations::{Report, ReportKind, selecting};
use hermes_terminal::lines;
use serde::Serialize;
use serde_json::json;

use crate::context::Context;
use crate::output::{self, note, say};
use crate::{event_loop, stored, table};

/// The most columns of a command that waited for a person.
const SUBJECT_MAX: usize = 60;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The number of the turn, as `hermes chat --json` and the log have it. Without it: the last turn.
    #[arg(value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
    turn: Option<i64>,

    /// Print one JSON object. Times are milliseconds since 1970.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes turn                 show the last turn
  hermes turn 12              show turn 12
  hermes -p coder turn --json print JSON for a program";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let turn = arguments.turn.map(TurnId);
    let record = read(context, &profile, turn)?.ok_or_else(|| {
        let what = match turn {
            Some(turn) => format!("the profile '{profile}' has no turn {turn}"),
            None => format!("the profile '{profile}' has no turn yet"),
        };
        Report::new(ReportKind::NotFound, what)
            .hint(format!("begin one: hermes {}chat -q 'Hello'", selecting(&profile)))
    })?;
    let prices = settings::load_prices(&context.home, &profile);
    if let Err(error) = &prices {
        note!("warning: no costs are shown: {error}");
    }
    let prices = prices.unwrap_or_default();
    if arguments.json {
        output::json(&record.with_costs(&prices));
        return Ok(ExitCode::SUCCESS);
    }
    say!("turn {} of the session {}", record.id, record.session);
    table::print(["AT", "STEP", "DETAIL"], &rows(&record, &prices));
    if let Some(error) = &record.error {
        say!("error: {}", error.message);
        if let Some(hint) = &error.hint {
            say!("hint: {hint}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the record of a turn, or of the last one. Creates no database.
fn read(
    context: &Context,
    profile: &ProfileName,
    turn: Option<TurnId>,
) -> Result<Option<TurnRecord>, Report> {
    let database = context.home.database(profile);
    if !database.exists() {
        return Ok(None);
    }
    let unusable = |error: hermes_agent::store::StoreError| {
        Report::new(ReportKind::Failed, "the agent's sessions cannot be used").caused_by(error)
    };
    let store = stored::open(context, profile).map_err(unusable)?;
    let found = event_loop::block_on(async {
        let turn = match turn {
            Some(turn) => Some(turn),
            None => store.last_turn().await?,
        };
        match turn {
            Some(turn) => store.turn(turn).await,
            None => Ok(None),
        }
    });
    found?.map_err(unusable)
}

fn cost(prices: &BTreeMap<String, Price>, model: &str, usage: Usage) -> Option<f64> {
    prices.get(model).map(|price| price.cost(usage))
}

/// Returns the rows of the time line, in the order of time.
fn rows(record: &TurnRecord, prices: &BTreeMap<String, Price>) -> Vec<[String; 3]> {
    let at = |time: i64| format!("+{}", seconds(time - record.started_at));
    let begun = format!("{}, by {} (process {})", date(record.started_at), record.owner, record.pid);
    let mut steps: Vec<(i64, &str, String)> = vec![(record.started_at, "start", begun)];
    steps.extend(record.model_calls.iter().map(|call| {
        (
            call.at,
            if call.compaction { "compaction" } else { "model" },
            format!("{}: {}", call.model, tokens(call.usage, cost(prices, &call.model, call.usage))),
        )
    }));
    steps.extend(
        record.tool_runs.iter().map(|run| (run.started_at.unwrap_or(run.planned_at), "tool", tool(run))),
    );
    steps.extend(record.approvals.iter().map(|approval| (approval.asked_at, "approval", question(approval))));
    steps.sort_by_key(|(time, ..)| *time);
    let usd =
        record.model_calls.iter().map(|call| cost(prices, &call.model, call.usage)).sum::<Option<f64>>();
    let sum = tokens(record.usage, usd.filter(|_| !record.model_calls.is_empty()));
    let mut rows: Vec<_> =
        steps.into_iter().map(|(time, step, detail)| [at(time), step.to_owned(), detail]).collect();
    rows.push(match record.ended_at {
        Some(ended) => {
            let reason = record.reason.as_ref().map_or_else(|| "unknown".to_owned(), word);
            [at(ended), "end".to_owned(), format!("{reason}; {sum}")]
        }
        None => [String::new(), "open".to_owned(), format!("so far {sum}")],
    });
    rows
}

fn tokens(usage: Usage, usd: Option<f64>) -> String {
    let usd = usd.map(|usd| format!(", {usd:.4} USD")).unwrap_or_default();
    format!("{} input ({} cached), {} output{usd}", usage.input, usage.cached, usage.output)
}

fn tool(run: &ToolRunRecord) -> String {
    let state = match run.state {
        RunState::Planned => "not started",
        RunState::Started => "runs",
        RunState::Done => "done",
        RunState::Unknown => "unknown: its process died, and it may have taken effect",
    };
    match (run.state, run.started_at, run.ended_at) {
        (RunState::Done, Some(begin), Some(end)) => {
            format!("{}: {state} in {}", run.tool, seconds(end - begin))
        }
        _ => format!("{}: {state}", run.tool),
    }
}

/// Returns the question about a call, and its answer.
fn question(approval: &Approval) -> String {
    let by = approval.answered_by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
    let subject = lines::shortened(&lines::one_line(&approval.subject), SUBJECT_MAX);
    format!("{} {subject}: {}{by}", approval.tool, word(&approval.state))
}

/// Returns the word of a plain enum, as JSON has it.
fn word(value: &impl Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}

/// Returns milliseconds as seconds.
fn seconds(milliseconds: i64) -> String {
    let milliseconds = milliseconds.max(0);
    format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
}

/// Returns the date of a time in milliseconds since 1970, in UTC.
fn date(milliseconds: i64) -> String {
    let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
    timestamp::rfc3339(UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use hermes_agent::protocol::StopReason;
    use hermes_agent::store::{ModelCallRecord, SessionId};
    use hermes_agent::tools::Effect;
    use serde_json::Value;

    use super::*;

    fn record() -> TurnRecord {
        let usage = Usage { input: 1000, cached: 400, output: 20, ..Usage::default() };
        let call =
            |at, model: &str| ModelCallRecord { at, model: model.to_owned(), usage, compaction: false };
        let run = |tool: &str, state, started_at, ended_at| ToolRunRecord {
            call_id: "1".to_owned(),
            tool: tool.to_owned(),
            effect: Effect::Reads,
            state,
            planned_at: 2_000,
            started_at,
            ended_at,
        };
        TurnRecord {
            id: TurnId(7),
            session: SessionId::from("s"),
            owner: "hermes chat".to_owned(),
            pid: 12,
            started_at: 1_000,
            ended_at: Some(9_500),
            reason: Some(StopReason::EndTurn),
            error: None,
            model_calls: vec![call(1_900, "priced"), call(9_400, "priced")],
            tool_runs: vec![
                run("terminal", RunState::Done, Some(2_000), Some(4_250)),
                run("fetch", RunState::Planned, None, None),
            ],
            approvals: vec![approval()],
            usage: Usage { input: 2000, cached: 800, output: 40, ..Usage::default() },
        }
    }

    fn approval() -> Approval {
        serde_json::from_value(json!({
            "id": "appr_1", "session": "s", "turn": 7, "call_id": "1", "tool": "terminal", "asked_at": 5_000,
            "expires_at": 9_000, "subject": "curl x\n| sh", "reason": "network", "state": "deny", "answered_by": "api",
        }))
        .unwrap()
    }

    #[test]
    fn a_compaction_is_a_step_of_its_own() {
        let mut record = record();
        record.model_calls[0].compaction = true;
        assert_eq!(rows(&record, &prices())[1][1], "compaction");
    }

    fn prices() -> BTreeMap<String, Price> {
        BTreeMap::from([("priced".to_owned(), Price { input: 10.0, cached: 1.0, output: 100.0 })])
    }

    #[test]
    fn time_line_has_each_step_in_its_order() {
        assert_eq!(
            table::lines(["AT", "STEP", "DETAIL"], &rows(&record(), &prices())),
            [
                "AT        STEP      DETAIL",
                "+0.000 s  start     1970-01-01T00:00:01.000000Z, by hermes chat (process 12)",
                "+0.900 s  model     priced: 1000 input (400 cached), 20 output, 0.0084 USD",
                "+1.000 s  tool      terminal: done in 2.250 s",
                "+1.000 s  tool      fetch: not started",
                "+4.000 s  approval  terminal curl x | sh: deny, by api",
                "+8.400 s  model     priced: 1000 input (400 cached), 20 output, 0.0084 USD",
                "+8.500 s  end       end_turn; 2000 input (800 cached), 40 output, 0.0168 USD",
            ]
        );
    }

    #[test]
    fn open_turn_of_an_unpriced_model_has_no_end_and_no_cost() {
        let record = TurnRecord { ended_at: None, reason: None, ..record() };
        let rows = rows(&record, &BTreeMap::new());
        let last = rows.last().unwrap();
        assert_eq!(last[1..], ["open", "so far 2000 input (800 cached), 40 output"]);
    }

    #[test]
    fn json_has_the_cost_of_each_call_and_of_the_turn() {
        let value = record().with_costs(&prices());
        let usd = |value: &Value| value.as_f64().unwrap();
        assert!((usd(&value["model_calls"][0]["usd"]) - 0.0084).abs() < 1e-9, "{value}");
        assert!((usd(&value["usd"]) - 0.0168).abs() < 1e-9, "{value}");
        assert_eq!(record().with_costs(&BTreeMap::new())["usd"], Value::Null);
    }
}
