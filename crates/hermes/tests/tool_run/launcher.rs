//! The engine's side of a call, with the real supervisor.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use hermes_agent::sandbox::{Ended, Launcher, Running, Streams};

use crate::call::{Call, Place, as_account, running, wait_for};

/// A launcher that becomes the account first.
fn launcher(place: &Place) -> Launcher {
    let command = as_account();
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
    let program = place.path("tmp/launcher");
    fs::write(&program, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "))).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    Launcher::new(program)
}

fn start(place: &Place, call: &Call) -> Running {
    launcher(place).start(&call.request).unwrap()
}

async fn read_all(running: &mut Running) -> String {
    let mut output = running.take_output().unwrap();
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match output.read(&mut piece).await.unwrap() {
            0 => return String::from_utf8(text).unwrap(),
            count => text.extend(&piece[..count]),
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_call_gives_its_output_and_its_end() {
    let place = Place::new();
    runtime().block_on(async {
        let mut running = start(&place, &place.shell("cat; env; exit 6").streams(Streams::Pipes));
        let input = running.input();
        let (output, ()) = tokio::join!(read_all(&mut running), async {
            input.send(&vec![b'x'; 200_000]).await.unwrap();
            input.close().await.unwrap();
        });
        let text = output.strip_prefix(&"x".repeat(200_000)).unwrap();
        assert!(text.contains("LANG=C.UTF-8") && !text.contains("CARGO"), "{text}");
        assert_eq!(running.ended().await, Ended::Exited { code: 6 });
    });
}

#[test]
fn a_large_request_arrives() {
    let place = Place::new();
    runtime().block_on(async {
        let mut call = place.shell("echo ${#LARGE}");
        call.request.environment.insert("LARGE".to_owned(), "x".repeat(100_000));
        let mut running = start(&place, &call);
        assert_eq!(read_all(&mut running).await, "100000\n");
        assert_eq!(running.ended().await, Ended::Exited { code: 0 });
    });
}

#[test]
fn a_dropped_call_ends() {
    let place = Place::new();
    let marker = format!("8126.{}", std::process::id());
    runtime().block_on(async {
        let call = place.shell(&format!("setsid sleep {marker} & sleep {marker}"));
        let running_call = start(&place, &call);
        let input = running_call.input();
        tokio::task::spawn_blocking({
            let marker = marker.clone();
            move || wait_for("the start", || running(&marker).len() >= 2)
        })
        .await
        .unwrap();
        drop(running_call);
        tokio::task::spawn_blocking({
            let marker = marker.clone();
            move || wait_for("the end", || running(&marker).is_empty())
        })
        .await
        .unwrap();
        assert!(input.send(b"x").await.is_err());
    });
}

#[test]
fn a_lost_supervisor_is_told() {
    let place = Place::new();
    runtime().block_on(async {
        let program = place.path("tmp/broken");
        fs::write(&program, "#!/bin/sh\necho broken >&2\nexit 3\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut running = Launcher::new(program).start(&place.shell("true").request).unwrap();
        let ended = running.ended().await;
        assert!(
            matches!(&ended, Ended::Lost { cause } if cause.contains("broken") && cause.contains("3")),
            "{ended:?}"
        );
        assert!(Launcher::new("/no/such/program").start(&place.shell("true").request).is_err());
    });
}
