//! Keeps the evidence of a failed test under `target/docker-test/<test>/` until the test passes again.
//!
//! It has the log, processes, slots, state and [files](crate::Layout::evidence_files) of each container, the report of
//! each [`Witness`], and the pictures that the test took.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;

use crate::container::{Container, Suspect, logs_of};
use crate::error::chain;
use crate::identity::Owner;
use crate::probe::process_table;
use crate::product::product;
use crate::scope::{Picture, Witness};

/// Evidence is taken while someone waits.
const EXEC_DEADLINE: Duration = Duration::from_secs(10);
const OWNER_FILE: &str = "owner";

/// Returns the folder for the evidence of a test.
pub fn evidence_directory(test: &str) -> PathBuf {
    // No colons: artifact stores and some file systems refuse them.
    product().test_directory().join(test.replace("::", "."))
}

/// The things that a test held when it ended.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) suspects: Vec<Suspect>,
    pub(crate) witnesses: Vec<Box<dyn Witness>>,
    pub(crate) pictures: Vec<Picture>,
}

/// Writes the evidence of a failed test and returns its folder.
pub(crate) async fn collect(
    docker: &Docker,
    test: &str,
    failure: &str,
    held: Held,
) -> std::io::Result<PathBuf> {
    let directory = empty_directory(test)?;
    std::fs::write(directory.join("failure.txt"), failure)?;
    // First: a page goes on changing, and its server may be one of the containers.
    for (index, witness) in held.witnesses.iter().enumerate() {
        let kind = witness.kind();
        let name = if index == 0 { kind.to_owned() } else { format!("{kind}-{}", index + 1) };
        witness.examine(&directory, &name).await;
    }
    write_pictures(&directory, &held.pictures);
    for suspect in &held.suspects {
        let folder = if held.suspects.len() == 1 { directory.clone() } else { directory.join(&suspect.name) };
        std::fs::create_dir_all(&folder)?;
        examine(docker, suspect, &folder).await;
    }
    Ok(directory)
}

/// Writes the pictures that a test took which has passed, and returns their folder; for who asked to keep things.
pub(crate) fn keep_pictures(test: &str, pictures: &[Picture]) -> std::io::Result<PathBuf> {
    let directory = empty_directory(test)?;
    write_pictures(&directory, pictures);
    Ok(directory)
}

fn write_pictures(directory: &Path, pictures: &[Picture]) {
    for (name, png) in pictures {
        write(directory, &format!("{}.png", name.replace(['/', ':'], ".")), png);
    }
}

/// Makes the folder of a test anew.
fn empty_directory(test: &str) -> std::io::Result<PathBuf> {
    let usual = evidence_directory(test);
    // Another run of the same tree may hold evidence of its own there.
    let directory =
        if others_own(&usual) { usual.with_extension(std::process::id().to_string()) } else { usual };
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join(OWNER_FILE), Owner::this_process().to_string())?;
    Ok(directory)
}

/// Removes the evidence of an earlier failure of a test that has passed.
pub(crate) fn discard(test: &str) {
    let directory = evidence_directory(test);
    if directory.exists()
        && !others_own(&directory)
        && let Err(error) = std::fs::remove_dir_all(&directory)
    {
        eprintln!("harness: failed to remove {}: {error}", directory.display());
    }
}

/// Returns whether another living process wrote this evidence.
fn others_own(directory: &Path) -> bool {
    let label = std::fs::read_to_string(directory.join(OWNER_FILE)).unwrap_or_default();
    Owner::parse(&label).is_some_and(|owner| owner != *Owner::this_process() && !owner.is_dead(true))
}

/// Writes what can be had of one container. What cannot is said in the file where it would be.
async fn examine(docker: &Docker, suspect: &Suspect, folder: &Path) {
    let container = Container::observed(docker, suspect);
    let inspected = match container.inspect().await {
        Ok(seen) => serde_json::to_string_pretty(&seen).unwrap_or_else(|error| error.to_string()),
        Err(error) => chain(&error),
    };
    write(folder, "inspect.json", inspected);
    match logs_of(docker, &suspect.id, "all").await {
        Ok(streams) => {
            write(folder, "stdout.log", streams.stdout);
            write(folder, "stderr.log", streams.stderr);
        }
        Err(error) => write(folder, "stdout.log", chain(&error)),
    }
    let running = container.state().await.is_ok_and(|state| state.running && !state.paused);
    if running {
        let processes = match container.processes().await {
            Ok(processes) => process_table(&processes),
            Err(error) => chain(&error),
        };
        write(folder, "processes.txt", processes);
        if let Some(s6) = suspect.layout.s6 {
            write(folder, "slots.txt", slots(&container, s6.scan_directories).await);
        }
    }
    for path in suspect.layout.evidence_files {
        let name = path.rsplit('/').next().unwrap_or(path);
        match file(&container, path, running).await {
            Ok(Some(content)) => write(folder, name, content),
            Ok(None) => {}
            Err(error) => write(folder, name, error),
        }
    }
}

async fn slots(container: &Container, scan_directories: &[&str]) -> String {
    let mut text = String::new();
    for directory in scan_directories {
        text.push_str(&format!("{directory}\n"));
        match container.slots(directory).await {
            Ok(slots) => slots.iter().for_each(|slot| text.push_str(&format!("  {slot}\n"))),
            Err(error) => text.push_str(&format!("  {}\n", chain(&error))),
        }
    }
    text
}

/// The content of a file, from inside while the container runs (a tmpfs is seen only there), from outside after.
async fn file(container: &Container, path: &str, running: bool) -> Result<Option<Vec<u8>>, String> {
    if running {
        let read = container.exec(["cat", path]).probing().deadline(EXEC_DEADLINE).await;
        let outcome = read.map_err(|error| chain(&error))?.either_way();
        return match outcome.exit_code() {
            0 => Ok(Some(outcome.stdout_bytes().to_vec())),
            _ => Ok(None),
        };
    }
    container.copy_out(path).await.map_err(|error| chain(&error))
}

/// Writes a file of the evidence. Says a failure on stderr: the rest of the evidence is worth having.
pub fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    if let Err(error) = std::fs::write(folder.join(name), content) {
        eprintln!("harness: failed to write {}: {error}", folder.join(name).display());
    }
}
