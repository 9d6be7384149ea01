//! Attacks on the network and on sockets of other processes.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

use hermes_agent::sandbox::Network;
use rstest::rstest;

use crate::call::Place;

/// Tries each protocol, and prints the failures: `1` for a denied socket.
const SOCKETS: &str = "
for my $try ([2,1,0], [2,1,6], [10,1,0], [2,2,0], [2,2,17], [10,2,0], [2,3,1], [2,1,262], [2,1,132], [2,5,132], [2,1,256],
    [1,1,0], [1,2,0], [16,3,0], [16,3,9], [17,3,0], [17,2,0], [38,5,0], [40,1,0], [2,10,0], [29,3,1], [43,1,0]) {
    print join(',', @$try), socket(my $s, $try->[0], $try->[1], $try->[2]) ? ' open' : ' ' . ($! + 0), \"\\n\";
}";

#[test]
fn an_offline_call_has_no_socket() {
    let output = Place::new().perl(SOCKETS).output();
    assert_eq!(output.lines().count(), 22);
    assert!(output.lines().all(|line| line.ends_with(" 1")), "{output}");
}

#[test]
fn behind_the_proxy_only_tcp_has_sockets() {
    let output = Place::new().perl(SOCKETS).network(Network::Proxy { port: 9 }).output();
    let (open, denied): (Vec<_>, Vec<_>) = output.lines().partition(|line| line.ends_with(" open"));
    // A machine without IPv6 has one less.
    assert!(open.iter().all(|line| ["2,1,0 open", "2,1,6 open", "10,1,0 open"].contains(line)), "{output}");
    assert!(
        open.len() >= 2 && denied.iter().all(|line| line.ends_with(" 1") || line.starts_with("10,1,0")),
        "{output}"
    );
}

#[test]
fn an_open_network_has_udp_and_no_raw_socket() {
    let output = Place::new().perl(SOCKETS).network(Network::Open).output();
    let state =
        |name: &str| output.lines().find(|line| line.split(' ').next() == Some(name)).unwrap().to_owned();
    for name in ["2,1,0", "2,2,0", "2,2,17", "16,3,0"] {
        assert_eq!(state(name), format!("{name} open"));
    }
    for name in
        ["2,3,1", "2,1,262", "2,5,132", "1,1,0", "1,2,0", "16,3,9", "17,3,0", "38,5,0", "40,1,0", "2,10,0"]
    {
        assert_eq!(state(name), format!("{name} 1"));
    }
}

#[test]
fn a_call_reaches_the_proxy_and_no_other_port() {
    let place = Place::new();
    let (proxy, other) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    other.set_nonblocking(true).unwrap();
    let (port, other_port) = (proxy.local_addr().unwrap().port(), other.local_addr().unwrap().port());
    let accepted = std::thread::spawn(move || {
        let mut text = String::new();
        proxy.accept().unwrap().0.read_to_string(&mut text).unwrap();
        text
    });
    let script = format!(
        "sub reach {{ my ($host, $port, $how) = @_; socket(my $s, 2, 1, 6) or die;
    my $address = pack_sockaddr_in($port, inet_aton($host));
    if ($how eq 'send') {{ return send($s, 'x', 0x20000000, $address) ? 'sent' : $! + 0 }}
    fcntl($s, F_SETFL, O_NONBLOCK) if $how eq 'nonblocking';
    connect($s, $address) or return $! + 0;
    my $left = fcntl($s, F_GETFL, 0) & O_NONBLOCK; my $close = fcntl($s, F_GETFD, 0);
    syswrite($s, 'hello'); return \"connected nonblocking=$left close=$close\"; }}
print join(' ', reach('127.0.0.1', {other_port}, 'connect'), reach('127.0.0.1', {other_port}, 'send'),
    reach('127.0.0.1', {port}, 'send'), reach('10.0.0.1', {port}, 'connect'), reach('127.0.0.2', {port}, 'connect'),
    reach('169.254.169.254', {port}, 'nonblocking'), reach('0.0.0.0', {port}, 'connect')), \"\\n\";
print reach('127.0.0.1', {port}, 'nonblocking'), \"\\n\";"
    );
    let output = place.perl(&script).network(Network::Proxy { port }).output();
    assert_eq!(output, "13 1 1 13 13 13 13\nconnected nonblocking=2048 close=1\n");
    assert_eq!(accepted.join().unwrap(), "hello");
    assert!(other.accept().is_err(), "nobody came");
}

#[test]
fn a_connection_to_the_proxy_blocks_if_the_socket_does() {
    let place = Place::new();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = proxy.local_addr().unwrap().port();
    let script = format!(
        "socket(my $s, 2, 1, 0) or die; fcntl($s, F_SETFD, 0);
connect($s, pack_sockaddr_in({port}, inet_aton('127.0.0.1'))) or die $!;
print fcntl($s, F_GETFL, 0) & O_NONBLOCK ? 'waits never' : 'waits', fcntl($s, F_GETFD, 0) + 0;"
    );
    assert_eq!(place.perl(&script).network(Network::Proxy { port }).output(), "waits0");
}

#[test]
fn a_changed_address_does_not_reach_another_host() {
    let place = Place::new();
    let (proxy, other) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.2:0").unwrap());
    other.set_nonblocking(true).unwrap();
    let port = proxy.local_addr().unwrap().port();
    std::thread::spawn(move || while proxy.accept().is_ok() {});
    // Two threads share the address: one changes it without a pause, one connects.
    let script = format!(
        "import socket, ctypes, threading, time
libc = ctypes.CDLL(None)
good, bad = (b'\\x02\\x00' + p.to_bytes(2, 'big') + bytes(a) + bytes(8)
    for p, a in (({port}, (127, 0, 0, 1)), ({}, (127, 0, 0, 2))))
shared = ctypes.create_string_buffer(good, 16)
end = time.monotonic() + 1
def change():
    while time.monotonic() < end:
        ctypes.memmove(shared, bad, 16); ctypes.memmove(shared, good, 16)
thread = threading.Thread(target=change); thread.start()
results = set()
while time.monotonic() < end:
    with socket.socket() as s:
        results.add(libc.connect(s.fileno(), shared, 16))
        try: results.add(s.getpeername()[0])
        except OSError: pass
thread.join(); print(sorted(map(str, results)))",
        other.local_addr().unwrap().port()
    );
    if !std::path::Path::new("/usr/bin/python3").exists() {
        return;
    }
    let output =
        place.command(&["/usr/bin/python3", "-c", &script]).network(Network::Proxy { port }).output();
    assert!(output.contains("127.0.0.1") && !output.contains("127.0.0.2"), "{output}");
    assert!(other.accept().is_err(), "nobody came");
}

#[test]
fn a_call_may_run_a_tcp_server() {
    let script = "socket(my $s, 2, 1, 0) or die; bind($s, pack_sockaddr_in(0, INADDR_ANY)) or die $!;
listen($s, 1) or die $!; print 'listens'; my ($port) = unpack_sockaddr_in(getsockname($s));
socket(my $c, 2, 1, 0) or die; print connect($c, pack_sockaddr_in($port, INADDR_LOOPBACK)) ? ' connected' : $! + 0;";
    assert_eq!(Place::new().perl(script).network(Network::Proxy { port: 9 }).output(), "listens13");
}

#[rstest]
fn no_unix_socket_of_others_is_reached(
    #[values(Network::Off, Network::Proxy { port: 9 }, Network::Open)] network: Network,
) {
    let place = Place::new();
    let named = place.path("coder/workspace/socket");
    let _stream = UnixListener::bind(&named).unwrap();
    let datagrams = UnixDatagram::bind(place.path("coder/workspace/datagrams")).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let name = format!("hermes-test-{}", place.path("").display());
    let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    // A pair of sockets is allowed, and could be connected again.
    let script = format!(
        "for my $path ('{0}/coder/workspace/socket', '{0}/coder/workspace/datagrams', \"\\0{name}\") {{
    print socket(my $s, 1, 1, 0) ? 'open' : 'denied', ' ';
    for my $type (1, 2, 3, 5) {{
        my ($a, $b); if (!socketpair($a, $b, 1, $type, 0)) {{ print 'denied '; next }}
        close $b;
        print connect($a, pack_sockaddr_un($path)) || send($a, 'x', 0, pack_sockaddr_un($path)) ? 'reached ' : 'pair ';
    }}
}}",
        place.path("").display()
    );
    let output = place.perl(&format!("$SIG{{PIPE}} = 'IGNORE'; {script}")).network(network).output();
    assert_eq!(output, "denied pair denied denied pair ".repeat(3));
    assert!(datagrams.recv(&mut [0; 8]).is_err(), "nothing came");
}
