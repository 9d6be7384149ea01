//! The confinement of a gateway to its own directory. Each attack runs outside of it, too: there it succeeds, so that no attack fails for
//! another reason.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hermes_agent::sandbox::{Confined, OwnProcess};
use hermes_core::Home;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::gateway::{Volume, home, profile};
use crate::{HOME, ROLE};

/// The attempts of a probe: a verb and its object, one in a line.
const ATTEMPTS: &str = "TEST_ATTEMPTS";
const CONFINE: &str = "TEST_CONFINE";

/// Confines this process to the profile `coder`, and prints the result of each attempt in a line: `open` or the error.
pub(crate) fn probe_process() {
    let home = home();
    if std::env::var_os(CONFINE).is_some() {
        let coder = profile("coder");
        let directory = fs::File::open(home.profile_directory(&coder)).unwrap();
        let environment = std::env::vars().collect();
        let process = OwnProcess {
            home: &home,
            profile: &coder,
            directory: directory.as_fd(),
            environment: &environment,
            socket_directory: None,
        };
        assert_eq!(process.confine().unwrap(), Confined::Yes);
    }
    for line in std::env::var(ATTEMPTS).unwrap().lines() {
        let (verb, object) = line.split_once(' ').unwrap();
        match attempt(verb, Path::new(object)) {
            Ok(()) => println!("open"),
            Err(error) => println!("{:?}", error.kind()),
        }
    }
}

fn attempt(verb: &str, object: &Path) -> io::Result<()> {
    match verb {
        "read" => fs::read(object).map(drop),
        "append" => OpenOptions::new().append(true).open(object).map(drop),
        "create" => fs::write(object, "").and_then(|()| fs::remove_file(object)),
        "list" => fs::read_dir(object).map(drop),
        "link" => fs::hard_link(object, home().root().join("profiles/coder/taken"))
            .and_then(|()| fs::remove_file(home().root().join("profiles/coder/taken"))),
        "move" => {
            let away = object.with_extension("away");
            fs::rename(object, &away).and_then(|()| fs::rename(away, object))
        }
        // Without the variables, the tests' own program lists its tests.
        "run" => Command::new(object).arg("--list").env_clear().output().map(drop),
        "signal" => {
            let pid = object.to_str().and_then(|text| text.parse().ok()).and_then(Pid::from_raw).unwrap();
            Ok(test_kill_process(pid)?)
        }
        "signal_child" => {
            let mut child = Command::new(object).arg("20").spawn()?;
            kill_process(Pid::from_child(&child), Signal::KILL)?;
            child.wait().map(drop)
        }
        _ => panic!("an unknown verb: {verb}"),
    }
}

/// Runs the attempts in a process. Returns the result of each.
#[track_caller]
fn probe(home: &Home, is_confined: bool, attempts: &[String]) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, "probe").env(HOME, home.root()).env(ATTEMPTS, attempts.join("\n"));
    if is_confined {
        command.env(CONFINE, "1");
    }
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Checks the attempts in a free process, where all succeed, and in a confined one.
#[track_caller]
fn check(home: &Home, attempts: &[String], expected: &str) {
    let results = |is_confined| probe(home, is_confined, attempts).into_iter().zip(attempts);
    for (result, attempt) in results(false) {
        assert_eq!(result, "open", "{attempt}, in a free process");
    }
    let mut count = 0;
    for (result, attempt) in results(true) {
        assert_eq!(result, expected, "{attempt}, in a confined process");
        count += 1;
    }
    assert_eq!(count, attempts.len());
}

/// A process that ends with the test.
struct Other(Child);

impl Other {
    fn start() -> Self {
        Self(Command::new("sleep").arg("60").spawn().unwrap())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn the_files_of_another_profile_are_closed() {
    let volume = Volume::new();
    let root = volume.home.root();
    let (coder, writer) = (root.join("profiles/coder"), root.join("profiles/writer"));
    for file in [writer.join(".env"), writer.join("SOUL.md"), root.join(".env")] {
        fs::write(file, "KEY=canary").unwrap();
    }
    symlink("../writer/.env", coder.join("to-env")).unwrap();
    symlink(&writer, coder.join("to-writer")).unwrap();
    symlink(root, volume.folder.path().join("alias")).unwrap();
    // A process whose files and links in `/proc` this one may read.
    let other = Other::start();
    let pid = other.0.id();
    let attempts = [
        format!("read {}", writer.join(".env").display()),
        format!("read {}", coder.join("to-env").display()),
        format!("read {}", coder.join("to-writer/SOUL.md").display()),
        format!("read {}", root.join(".env").display()),
        format!("read {}", volume.folder.path().join("alias/.env").display()),
        format!("read /proc/self/root{}", writer.join(".env").display()),
        format!("append {}", writer.join(".env").display()),
        format!("create {}", writer.join("new").display()),
        format!("create {}", root.join("new").display()),
        format!("list {}", writer.display()),
        format!("list {}", root.join("profiles").display()),
        format!("list {}", root.display()),
        format!("move {}", writer.display()),
        format!("move {}", coder.display()),
        format!("read /proc/{pid}/cwd/Cargo.toml"),
    ];
    check(&volume.home, &attempts, "PermissionDenied");
    check(&volume.home, &[format!("signal {pid}")], "PermissionDenied");
    // A link of the file itself would have no trace of its origin.
    check(&volume.home, &[format!("link {}", writer.join(".env").display())], "CrossesDevices");
}

pub(crate) fn the_machine_and_its_own_files_are_open() {
    let volume = Volume::new();
    let coder = volume.home.root().join("profiles/coder");
    fs::create_dir(coder.join("workspace")).unwrap();
    fs::write(coder.join(".env"), "").unwrap();
    symlink("../.env", coder.join("workspace/to-env")).unwrap();
    let sleep = ["/usr/bin/sleep", "/bin/sleep"].map(PathBuf::from).into_iter().find(|path| path.exists());
    let attempts = [
        format!("read {}", coder.join("workspace/to-env").display()),
        format!("create {}", coder.join("workspace/new").display()),
        format!("move {}", coder.join("workspace").display()),
        format!("list {}", coder.display()),
        "read /etc/passwd".to_owned(),
        "read /etc/hosts".to_owned(),
        "list /usr".to_owned(),
        "read /proc/self/status".to_owned(),
        "append /proc/self/oom_score_adj".to_owned(),
        "append /dev/null".to_owned(),
        "append /dev/ptmx".to_owned(),
        "run /bin/true".to_owned(),
        "run /proc/self/exe".to_owned(),
        format!("signal_child {}", sleep.unwrap().display()),
    ];
    check(&volume.home, &attempts, "open");
}

/// Returns a port that is free now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn models(port: u16, key: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!("Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nConnection: close");
    write!(stream, "GET /v1/models HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub(crate) fn a_key_file_outside_of_the_volume_is_read() {
    let volume = Volume::new();
    // The directory of temporary files is closed to a gateway, as `/run` is.
    let file = volume.folder.path().join("key");
    fs::write(&file, "a-key-of-at-least-sixteen-bytes\n").unwrap();
    let port = free_port();
    let env = format!("API_SERVER_KEY_FILE={}\nAPI_SERVER_PORT={port}\n", file.display());
    fs::write(volume.home.dot_env(&profile("coder")), env).unwrap();
    let gateway = volume.start("coder");
    let answer = models(port, "a-key-of-at-least-sixteen-bytes");
    assert!(answer.contains("HTTP/1.1 200"), "{answer}");
    assert_eq!(no_new_privs(&gateway.child), "1");
    gateway.signal(Signal::TERM);
    let (status, _, err) = gateway.ended();
    assert!(status.success() && err.is_empty(), "{err}");
}

/// Returns the field `NoNewPrivs` of a process.
fn no_new_privs(child: &Child) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let found = status.lines().find_map(|line| line.strip_prefix("NoNewPrivs:"));
    found.unwrap().trim().to_owned()
}

/// Makes a volume on which `name` has the key of `writer`, by a link.
fn with_link(name: &str, file: &str, content: &str) -> Volume {
    let volume = Volume::new();
    let target = volume.home.profile_directory(&profile("writer")).join(file);
    fs::write(&target, content).unwrap();
    symlink(&target, volume.home.profile_directory(&profile(name)).join(file)).unwrap();
    volume
}

pub(crate) fn settings_of_another_profile_end_the_start() {
    for file in [".env", "config.yaml"] {
        let content = if file == ".env" { "API_SERVER_KEY=the-canary-of-writer-1\n" } else { "version: 1\n" };
        let (gateway, mut ready) = with_link("coder", file, content).spawn("coder", None);
        // A gateway that serves writes a byte.
        assert_eq!(ready.read(&mut [0]).unwrap(), 0, "it is ready with {file} of another profile");
        let (status, _, err) = gateway.ended();
        assert!(!status.success(), "{status}");
        assert!(err.contains("SettingsOutside") && err.contains("PermissionDenied"), "{err}");
        assert!(!err.contains("canary"), "{err}");
    }
    // A generated key is no reason to end: the Unix socket needs none.
    let gateway = with_link("coder", ".api_key", "hk_canary-of-the-writer\n").start("coder");
    gateway.signal(Signal::TERM);
    let (status, _, err) = gateway.ended();
    assert!(status.success() && err.contains("the port accepts no key"), "{status} {err}");
}

pub(crate) fn the_default_gateway_stays_free() {
    for (file, content) in
        [(".env", "API_SERVER_KEY=a-key-of-at-least-sixteen-bytes\n"), ("config.yaml", "version: 1\n")]
    {
        let gateway = with_link("default", file, content).start("default");
        assert!(gateway.health().starts_with("HTTP/1.1 200"));
        assert_eq!(no_new_privs(&gateway.child), "0");
        gateway.signal(Signal::TERM);
        let (status, _, err) = gateway.ended();
        assert!(status.success() && err.is_empty(), "{file}: {err}");
    }
}
