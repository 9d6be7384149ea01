//! `hermes boot`: where the time of this container's boot went.

use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;

use hermes_core::boot::record as boot_record;
use hermes_core::boot::record::{BOOT_JSON, BootRecord, Phase, milliseconds};
use hermes_operations::{Report, ReportKind, hint_for};

use crate::context::Context;
use crate::output::{self, say};

/// The width of the bars of the table.
const BAR: usize = 40;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print the record as JSON.
    #[arg(long, conflicts_with = "svg")]
    json: bool,

    /// Show the last boots that the volume keeps, oldest first.
    #[arg(long, conflicts_with = "svg")]
    history: bool,

    /// Write a picture of the boot to FILE.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  hermes boot                  show each phase with a bar
  hermes boot --svg boot.svg   write a picture
  hermes boot --history        show the last 20 boots of this volume
  hermes boot --json           print JSON for a program";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    if arguments.history {
        return history(context, arguments.json);
    }
    let text = fs::read_to_string(BOOT_JSON).map_err(|error| {
        let hint = if error.kind() == ErrorKind::NotFound {
            "the boot is not complete yet, or this is no container of the hermes image"
        } else {
            "docker restart makes a new one"
        };
        Report::new(ReportKind::Failed, format!("failed to read {BOOT_JSON}")).caused_by(error).hint(hint)
    })?;
    if arguments.json {
        say!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    let boot: BootRecord = serde_json::from_str(&text).map_err(|error| {
        Report::new(ReportKind::Failed, format!("failed to parse {BOOT_JSON}")).caused_by(error)
    })?;
    match &arguments.svg {
        None => output::text(table(&boot).as_bytes()),
        Some(file) => {
            fs::write(file, picture(&boot)).map_err(|error| {
                let hint = hint_for(ReportKind::CannotWrite, &error);
                Report::new(ReportKind::CannotWrite, format!("failed to write {}", file.display()))
                    .caused_by(error)
                    .hint(hint)
            })?;
            say!("{}", file.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn history(context: &Context, json: bool) -> Result<ExitCode, Report> {
    let boots = boot_record::kept(&context.home).map_err(|error| {
        Report::new(ReportKind::Failed, "failed to read the earlier boots")
            .caused_by(error)
            .hint(format!("move it out of the way: mv {0} {0}.broken", context.home.boots().display()))
    })?;
    if json {
        output::json(&boots);
        return Ok(ExitCode::SUCCESS);
    }
    let row = |boot: &BootRecord| {
        let failed: Vec<_> = boot.failed().map(|phase| phase.name.as_str()).collect();
        let failed = if failed.is_empty() { "-".to_owned() } else { failed.join(", ") };
        [boot.started.clone(), milliseconds(boot.duration_us), failed]
    };
    let rows: Vec<_> = boots.iter().map(row).collect();
    crate::table::print(["STARTED", "DURATION", "FAILED"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn table(boot: &BootRecord) -> String {
    let phases = boot.ordered();
    let width = phases.iter().map(|phase| label(phase).chars().count()).max().unwrap_or(0).max(5);
    let mut text = String::new();
    let _ = writeln!(text, "Boot of {}: {}\n", boot.started, milliseconds(boot.duration_us));
    let _ = writeln!(text, "{:width$}  {:>10}  {:>10}", "phase", "start", "duration");
    for phase in phases {
        let failed = phase.exit_code.filter(|&code| code != 0);
        let failed = failed.map_or(String::new(), |code| format!(" exited {code}"));
        let start = milliseconds(phase.start_us);
        let duration = milliseconds(phase.duration_us);
        let line =
            format!("{:width$}  {start:>10}  {duration:>10}  {}{failed}", label(phase), bar(boot, phase));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn bar(boot: &BootRecord, phase: &Phase) -> String {
    let whole = boot.duration_us.max(1);
    let column = |time: u64| usize::try_from(time.min(whole) * BAR as u64 / whole).unwrap_or(0);
    let start = column(phase.start_us).min(BAR - 1);
    let end = column(phase.start_us + phase.duration_us).max(start + 1);
    format!("{}{}", " ".repeat(start), "█".repeat(end - start))
}

fn picture(boot: &BootRecord) -> String {
    const WIDTH: f64 = 900.0;
    const ROW: usize = 22;
    let phases = boot.ordered();
    let whole = boot.duration_us.max(1) as f64;
    let height = 50 + ROW * phases.len();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"12\">",
        WIDTH + 300.0
    );
    let _ = writeln!(text, "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>");
    let title = format!("Boot of {}: {}", boot.started, milliseconds(boot.duration_us));
    let _ = writeln!(text, "<text x=\"10\" y=\"20\" font-size=\"14\">{}</text>", escaped(&title));
    for (row, phase) in phases.iter().enumerate() {
        let top = 36 + ROW * row;
        let left = 10.0 + phase.start_us as f64 / whole * WIDTH;
        let length = (phase.duration_us as f64 / whole * WIDTH).max(1.0);
        let colour = match (phase.exit_code, &phase.parent) {
            (Some(code), _) if code != 0 => "#d1495b",
            (_, Some(_)) => "#9ec1a3",
            (_, None) => "#40798c",
        };
        let _ = writeln!(
            text,
            "<rect x=\"{left:.1}\" y=\"{top}\" width=\"{length:.1}\" height=\"{}\" fill=\"{colour}\"/>",
            ROW - 4
        );
        let label = format!("{} ({})", label(phase).trim(), milliseconds(phase.duration_us));
        let _ = writeln!(text, "<text x=\"{:.1}\" y=\"{}\">{}</text>", left + 5.0, top + 13, escaped(&label));
    }
    text.push_str("</svg>\n");
    text
}

fn label(phase: &Phase) -> String {
    if phase.parent.is_some() { format!("  {}", phase.name) } else { phase.name.clone() }
}

/// A script's name may hold anything that a file name may.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot() -> BootRecord {
        serde_json::from_str(
            r#"{"version":1,"started":"2026-11-23T19:00:00.123456Z","supervisor":{"pid":1,"start_ticks":1},
            "unprivileged":false,"duration_us":40000,"phases":[
            {"name":"cont-init.d/20-b<&","parent":"cont-init.d","start_us":10000,"duration_us":10000,"exit_code":3},
            {"name":"prepare","start_us":0,"duration_us":10000},
            {"name":"cont-init.d","start_us":10000,"duration_us":10500},
            {"name":"services","start_us":20500,"duration_us":19500}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn the_table_shows_each_phase_with_a_bar_in_its_place() {
        insta::assert_snapshot!(table(&boot()));
    }

    #[test]
    fn the_picture_holds_each_phase_and_escapes_names() {
        let picture = picture(&boot());
        assert!(picture.contains("cont-init.d/20-b&lt;&amp; (10.0 ms)"), "{picture}");
        assert_eq!(picture.matches("<rect x=").count(), 4, "{picture}");
    }
}
