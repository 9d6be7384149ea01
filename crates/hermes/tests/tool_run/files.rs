//! Attacks on files: those of this profile, of another one, and of the account.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use hermes_agent::sandbox::Ended;
use rstest::rstest;

use crate::call::Place;

#[rstest]
#[case("cat ../.env")]
#[case("cat ../hermes.db")]
#[case("cat ../../other/.env")]
#[case("cat link")]
#[case("cat link-to-directory/.env")]
#[case("cat /proc/self/cwd/../.env")]
#[case("cat /etc/shadow")]
#[case("ln -s /etc/shadow shadow && cat shadow")]
#[case("ls ..")]
#[case("echo x >../SOUL.md")]
#[case("echo x >>../.env")]
#[case("echo x >../skills/SKILL.md")]
#[case("mkdir ../skills/new")]
#[case("rm ../.env")]
#[case("mv ../.env stolen")]
#[case("mv inside ..")]
#[case("ln ../.env stolen")]
#[case("ln inside ../escaped")]
#[case("truncate -s 0 ../.env")]
#[case("perl -e 'truncate(\"../.env\", 0) or die $!'")]
#[case("perl -e 'use Fcntl; sysopen(F, \"../skills/SKILL.md\", O_RDONLY|O_TRUNC) or die $!'")]
#[case("chmod 000 ../.env")]
#[case("chmod 777 link")]
#[case("chmod 000 ../skills/SKILL.md")]
#[case("chmod 000 ../../other")]
#[case("chown $(id -u) ../.env")]
#[case("perl -e 'open(F, \"../skills/SKILL.md\") or exit 0; chmod(0, *F) or die $!'")]
#[case("mknod null c 1 3")]
#[case("mknod disk b 8 0")]
#[case("cat /dev/mem || cat /dev/kmsg")]
#[case("ls /root || ls /run || ls /tmp")]
#[case("echo x >/dev/shm/left-$$")]
#[case("echo x >/tmp/left-$$ || echo x >/var/tmp/left-$$")]
#[case("echo -1000 >/proc/self/oom_score_adj")]
#[case("mount -t tmpfs none . || unshare -r true || chroot . true")]
fn a_call_cannot_reach_files_outside(#[case] script: &str) {
    let place = Place::new();
    place.write("coder/workspace/inside", "inside\n");
    symlink(place.path("coder/.env"), place.path("coder/workspace/link")).unwrap();
    symlink(place.path("coder"), place.path("coder/workspace/link-to-directory")).unwrap();
    let done = place.shell(script).run();
    assert!(matches!(done.ended, Ended::Exited { code } if code != 0), "{done:?}");
    assert!(!done.output.contains("secret"), "{done:?}");
    for file in ["coder/.env", "coder/hermes.db", "other/.env", "coder/skills/SKILL.md"] {
        assert_eq!(fs::read_to_string(place.path(file)).unwrap(), "a secret of the agent\n", "{file}");
        assert_eq!(fs::metadata(place.path(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    assert_eq!(fs::read_dir(place.path("coder")).unwrap().count(), 4, "{done:?}");
}

#[test]
fn a_call_works_in_its_directories() {
    let place = Place::new();
    let tmp = place.path("tmp");
    let script = format!(
        "set -e; mkdir -p a/b; echo '#!/bin/sh
echo it runs' >a/b/script; chmod +x a/b/script; a/b/script; chmod go-x a/b/script; stat -c %a a/b/script
cp -p a/b/script {0}/copy; mv {0}/copy .; ln copy second; ln -s copy third; mkfifo pipe; touch -d yesterday copy; rm -r a
cat ../skills/SKILL.md; exec 3<../skills/SKILL.md; (cd {0}; install -m 640 /etc/passwd p; stat -c %a p; tar cf p.tar p; tar xf p.tar)
echo discarded >/dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; umask",
        tmp.display()
    );
    let expected = "it runs\n744\na secret of the agent\n640\n3\n3\n0022\n";
    assert_eq!(place.shell(&script).output(), expected);
}

#[test]
fn an_absent_writable_path_refuses_the_call() {
    let place = Place::new();
    let mut call = place.shell("echo started");
    call.request.policy.readable.push("/no/such/directory".into());
    assert_eq!(call.output(), "started\n");
    call.request.policy.writable.push("/no/such/directory".into());
    let done = call.run();
    assert!(
        matches!(&done.ended, Ended::NotConfined { cause } if cause.contains("failed to open /no/such/directory")),
        "{done:?}"
    );
    assert_eq!(done.output, "");
}
