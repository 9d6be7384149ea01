//! The command gets the environment of the container unchanged. The operator may set any PATH.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::slot_up;
use hermes_harness::{Container, ContainerBuilder, ImageBuilder, docker_test, secs};

/// Names and values that a process on the way could drop, cut, unquote or expand.
const ODD_VARIABLES: [(&str, &str); 21] = [
    ("PLAIN", "value"),
    ("EMPTY", ""),
    ("EQUALS", "a=b==c="),
    ("LINES", "one\ntwo\n\nfour"),
    ("NEWLINE_AT_THE_END", "x\n"),
    ("ONLY_NEWLINES", "\n\n"),
    ("QUOTES", "'single' \"double\" `back`"),
    ("SHELL_WORDS", "$HOME $(id) ${PATH} * ; exit 3 & # \\"),
    ("SPACES", "  both ends  "),
    ("CONTROL", "\u{1}\t\r\u{1b}[31m\u{7f}"),
    ("UNICODE", "ünïcödé ☤ 🪽"),
    ("lower_case", "x"),
    ("_UNDERSCORE", "x"),
    ("with.dots", "x"),
    ("with-dashes", "x"),
    ("with spaces", "x"),
    ("1LEADING_DIGIT", "x"),
    ("ÜMLAUT", "x"),
    ("with/slash", "x"),
    ("..", "x"),
    ("BASH_FUNC_f%%", "() {  echo function\n}"),
];

/// Parses the output of `cat /proc/self/environ`.
fn variables(environ: &[u8]) -> Result<BTreeMap<String, String>> {
    let text = std::str::from_utf8(environ)?;
    let pair = |entry: &str| {
        let (name, value) = entry.split_once('=').with_context(|| format!("no variable: {entry:?}"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    text.split_terminator('\0').map(pair).collect()
}

fn odd_container() -> ContainerBuilder {
    // The kernel allows 128 KiB for one variable.
    let container = Container::builder().hostname("named").env("LONG", &"x".repeat(120_000));
    ODD_VARIABLES.iter().fold(container, |container, (name, value)| container.env(name, value))
}

#[docker_test]
async fn the_command_gets_the_environment_of_the_container_unchanged() -> Result<()> {
    let environ = ["cat", "/proc/self/environ"];
    // The environment that the engine gives a container, read without /init.
    let bypassed = odd_container().entrypoint(["/usr/bin/cat"]).run(["/proc/self/environ"]).await?.success();
    let mut expected = variables(bypassed.stdout_bytes())?;
    for (name, value) in ODD_VARIABLES {
        ensure!(expected.get(name).is_some_and(|given| given == value), "the engine itself changed {name}");
    }
    expected.insert("HOME".to_owned(), "/opt/data".to_owned());

    let output = odd_container().run(environ).await?.success();
    let seen = variables(output.stdout_bytes())?;
    let mut wrong = Vec::new();
    for (name, value) in &expected {
        match seen.get(name) {
            Some(found) if found == value => {}
            Some(found) if value.len() > 1000 => wrong.push(format!("{name:?} has {} bytes", found.len())),
            Some(found) => wrong.push(format!("{name:?} is {found:?} and was {value:?}")),
            None => wrong.push(format!("{name:?} is missing")),
        }
    }
    for (name, value) in seen.iter().filter(|(name, _)| !expected.contains_key(*name)) {
        wrong.push(format!("{name:?} was never given, and is {value:?}"));
    }
    ensure!(wrong.is_empty(), "the command's environment:\n{}", wrong.join("\n"));
    Ok(())
}

#[docker_test]
#[case::empty("")]
#[case::missing_directory("/nowhere")]
#[case::relative_directory("relative::/tmp")]
async fn the_image_boots_with_an_unusable_path(#[case] path: &str) -> Result<()> {
    let container = Container::builder().env("PATH", path).cmd(["sleep", "9999"]).start_ready().await?;
    container.wait_until("main-hermes up", slot_up("main-hermes"), secs(10)).await?;
    let processes = container.processes().await?;
    let command = processes.iter().find(|process| process.argv == ["sleep", "9999"]);
    let command = command.with_context(|| format!("PATH={path:?}: the command does not run"))?;
    // The command sees the PATH of the operator. `cat` runs as hermes, since root in a container may not read the file.
    // It runs by its own path, since PATH may name no directory.
    let environ = format!("/proc/{}/environ", command.pid);
    let environ = container.exec(["/usr/bin/cat", &environ]).await?.success();
    let seen = variables(environ.stdout_bytes())?.remove("PATH");
    ensure!(seen.as_deref() == Some(path), "PATH={path:?} became {seen:?}");
    Ok(())
}

#[docker_test]
async fn the_command_is_looked_up_in_path() -> Result<()> {
    let image = ImageBuilder::new()
        // Neither of these is a program.
        .file("/first/answer", 0o644, "#!/bin/sh\necho first\n")
        .directory("/second/answer", 0o755, (0, 0))
        .file("/third/answer", 0o755, "#!/bin/sh\necho third\n")
        .file("/fourth/answer", 0o755, "#!/bin/sh\necho fourth\n")
        .build()
        .await?;
    let path = "/nowhere:/first:/second:/third:/fourth:/usr/bin:/bin";
    image.container().env("PATH", path).run(["answer"]).await?.success().stdout_is("third");
    image.container().env("PATH", "/first:/second:/usr/bin:/bin").run(["answer"]).await?.code(2);
    Ok(())
}

#[docker_test]
async fn root_runs_no_program_from_the_path_of_the_operator() -> Result<()> {
    // Names of programs that a boot could look for, in a directory that hermes can write.
    let trap = "#!/bin/sh\n/usr/bin/id -u >>/tmp/trapped\nexit 1\n";
    let mut image = ImageBuilder::new().directory("/trap", 0o755, (10000, 10000));
    let names = "sh cat sleep hermes init id mkdir rm chown env execlineb with-contenv foreground background if exec \
        redirfd fdmove s6-svscan s6-supervise s6-svc s6-svscanctl s6-svwait s6-setuidgid s6-envdir s6-log";
    for name in names.split_whitespace() {
        image = image.owned_file(&format!("/trap/{name}"), 0o755, (10000, 10000), trap);
    }
    // Scripts of root that look for programs by name and leave a file at their end.
    for (name, shell) in [("50-plain", "/bin/sh"), ("51-contenv", "/command/with-contenv sh")] {
        let script = format!("#!{shell}\ncat /dev/null\nid\n/usr/bin/touch /tmp/ran.{name}\n");
        image = image.file(&format!("/etc/cont-init.d/{name}"), 0o755, script);
    }
    let image = image.build().await?;
    for keep in ["0", "1"] {
        let container = image.container().env("PATH", "/trap:/usr/bin:/bin").env("S6_KEEP_ENV", keep);
        let container = container.cmd(["tail", "-f", "/dev/null"]).start_ready().await?;
        container.stop().await?;
        for script in ["50-plain", "51-contenv"] {
            let ran = container.copy_out(&format!("/tmp/ran.{script}")).await?;
            ensure!(ran.is_some(), "S6_KEEP_ENV={keep}: {script} did not run to its end");
        }
        let trapped = container.copy_out("/tmp/trapped").await?.unwrap_or_default();
        let trapped = String::from_utf8_lossy(&trapped);
        let root_fell = trapped.lines().any(|uid| uid == "0");
        ensure!(!root_fell, "S6_KEEP_ENV={keep}: root ran what hermes could have written:\n{trapped}");
    }
    Ok(())
}
