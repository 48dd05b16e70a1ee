//! The dialogue, line by line: every outcome and every confusion.

use super::{Login, Variable};
use crate::analyzers::testing::Bench;
use crate::analyzers::{Analyzer, Context, Step};
use crate::event::LoginState;
use crate::flow::EndpointState;
use crate::flow::key::{Direction, Transport};

/// A dialogue without a protocol below it.
#[derive(Default, Debug)]
struct Lines(Login);

impl Analyzer for Lines {
    fn on_stream(&mut self, _cx: &mut Context<'_>, _direction: Direction, bytes: &[u8]) -> Step {
        Step::Consumed(bytes.len())
    }

    fn on_datagram(&mut self, _cx: &mut Context<'_>, _direction: Direction, _bytes: &[u8]) -> Step {
        Step::Done
    }

    fn on_gap(&mut self, _cx: &mut Context<'_>, _direction: Direction, _length: u64) -> Step {
        Step::Consumed(0)
    }
}

/// Plays `> a typed line`, `< a printed line`, `~ a line not ended yet`, and the words `echo`, `no echo`, `end`, `USER=smith`, `user smith`.
fn play(bench: &mut Bench<Lines>, script: &[&str]) {
    for &line in script {
        bench.call(|Lines(login), cx| match line.split_at_checked(2) {
            Some(("> ", text)) => login.on_input_line(cx, text.as_bytes()),
            Some(("< ", text)) => {
                login.on_output_line(cx, text.as_bytes());
                login.on_partial_output(cx, b"");
            }
            Some(("~ ", text)) => login.on_partial_output(cx, text.as_bytes()),
            _ if line == "echo" => login.on_echo(true),
            _ if line == "no echo" => login.on_echo(false),
            _ if line == "end" => login.on_close(cx),
            _ if line.starts_with("user ") => login.set_server_user(cx, &line.as_bytes()[5..]),
            _ => {
                let (name, value) = line.split_once('=').unwrap();
                let variable = Variable { name: name.as_bytes(), value: value.as_bytes(), user_variable: false };
                login.set_env(cx, Direction::FromOrig, &variable);
            }
        });
    }
}

fn bench() -> Bench<Lines> {
    Bench::new(Transport::Tcp)
}

/// What a script decides: outcomes and confusions.
fn decided(script: &[&str]) -> Vec<String> {
    let mut bench = bench();
    play(&mut bench, script);
    let lines = bench.said().into_iter();
    lines.filter(|line| !line.contains("put_line") && !line.starts_with("login_environment")).collect()
}

/// What a script shows of what was typed.
fn shown(script: &[&str]) -> Vec<String> {
    let mut bench = bench();
    play(&mut bench, script);
    bench.said().iter().filter_map(|line| line.strip_prefix("login_input_line line=").map(str::to_owned)).collect()
}

#[test]
fn a_login_succeeds() {
    let script = [
        "< SunOS 5.6",
        "~ login: ",
        "> smith",
        "< login: smith",
        "~ Password: ",
        "> secret",
        "< Password: ",
        "< Last login: Mon",
    ];
    assert_eq!(decided(&script), ["login_success user=smith password=<hidden> line=Last login: Mon"]);
    assert_eq!(shown(&script), ["smith", "<hidden>"]);
    let mut bench = bench();
    play(&mut bench, &script);
    assert_eq!((bench.conn.login, bench.analyzer.0.held()), (LoginState::LoggedIn, 0));
}

#[test]
fn a_login_fails_and_succeeds() {
    let script = [
        "~ login: ",
        "> smith",
        "< login: smith",
        "~ Password: ",
        "> secret",
        "< Password: ",
        "< Login incorrect",
        "~ login: ",
        "> jones",
        "< login: jones",
        "~ Password: ",
        "> second",
        "< Password: ",
        "< Last login: Mon",
    ];
    assert_eq!(
        decided(&script),
        [
            "login_failure user=smith password=<hidden> line=Login incorrect",
            "login_success user=jones password=<hidden> line=Last login: Mon",
        ]
    );
    assert_eq!(shown(&script), ["smith", "<hidden>", "jones", "<hidden>"]);
}

#[test]
fn a_password_that_is_asked_for_again_is_the_same_users() {
    let script = [
        "~ login: ",
        "> smith",
        "< login: smith",
        "~ Password: ",
        "> secret",
        "< Password: ",
        "< Login incorrect",
        "~ Password: ",
        "> second",
        "< Password: ",
        "< Last login: Mon",
    ];
    assert_eq!(decided(&script)[1], "login_success user=smith password=<hidden> line=Last login: Mon");
}

#[test]
fn a_client_that_speaks_like_a_server_is_a_ploy() {
    let script = ["~ login: ", "> smith", "< login: smith", "> Login incorrect", "< Last login: Mon"];
    assert_eq!(
        decided(&script),
        [
            "login_confused msg=possible_login_ploy line=<hidden>",
            "login_confused_text line=smith",
            "login_confused_text line=<hidden>",
        ]
    );
}

#[test]
fn too_much_is_typed_ahead() {
    let typed: Vec<String> = (1..=13).map(|n| format!("> line{n}")).collect();
    let said = decided(&typed.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(said[0], "login_confused msg=excessive_typeahead line=<hidden>");
    assert_eq!((said.len(), said[1].as_str()), (14, "login_confused_text line=line1"), "and all that was typed");
}

#[test]
fn what_is_typed_ahead_is_bounded() {
    let mut bench = bench();
    for _ in 0..1000 {
        bench.call(|Lines(login), cx| login.on_input_line(cx, &[b'a'; 1023]));
        assert!(bench.analyzer.0.held() <= 2560, "{}", bench.analyzer.0.held());
    }
    assert!(bench.analyzer.0.held() < 256, "{}", bench.analyzer.0.held());
}

#[test]
fn a_server_that_never_asks_is_given_up() {
    let said = decided(&["< welcome"; 51]);
    assert_eq!(said, ["login_confused msg=no_login_prompt line=welcome", "login_confused_text line=welcome"]);
    assert!(decided(&["< welcome"; 50]).is_empty());
    let late: Vec<&str> = [["< welcome"; 51].as_slice(), &["< login: smith", "> x", "< Login incorrect"]].concat();
    assert_eq!(decided(&late).len(), 3, "it stops there: a confused text more");
}

#[test]
fn confusing_prompts() {
    let first = |script: &[&str]| decided(script).first().cloned().unwrap_or_default();
    let confused = |msg: &str, line: &str| format!("login_confused msg={msg} line={line}");
    assert_eq!(first(&["< login: login: smith"]), confused("multiple_login_prompts", "login: login: smith"));
    assert_eq!(
        first(&["> ", "> smith", "< login: login: smith", "< Last login"]),
        "login_success user=smith password=<none> line=Last login"
    );
    assert_eq!(first(&["> a", "< login: login: b"]), confused("non_empty_multi_login", "login: login: b"));
    assert_eq!(first(&["< login: ", "< login: "]), confused("multiple_login_prompts", "login: "));
    assert_eq!(first(&["~ login: ", "> a", "< login: a", "< login: b"]), confused("non_empty_multi_login", "login: b"));
    assert_eq!(first(&["< login: ", "< Last login: Mon"]), confused("no_username", "Last login: Mon"));
    assert_eq!(first(&["< Last login: Mon"]), confused("no_username2", "Last login: Mon"));
    assert_eq!(first(&["USER=smith", "USER=jones"]), confused("multiple_USERs", "jones"));
}

#[test]
fn a_heading_is_not_answered() {
    let script = [
        "< User Access Verification",
        "~ Username: ",
        "> admin",
        "< Username: admin",
        "~ Password: ",
        "> secret",
        "< Password: ",
        "< Router>show version",
    ];
    assert_eq!(decided(&script), ["login_success user=admin password=<hidden> line=Router>show version"]);
    let script = [
        "< User Access Verification",
        "~ Password: ",
        "> secret",
        "< Password: ",
        "~ Router>",
        "> enable",
        "< Router>enable",
    ];
    assert_eq!(decided(&script), ["login_success user=<none> password=<hidden> line=Router>enable"]);
}

#[test]
fn vms_recalls_the_name() {
    let known = [
        "~ Username: ",
        "> smith",
        "< Username: smith",
        "~ Password: ",
        "> a",
        "< Password: ",
        "< User authorization failure",
    ];
    let after = |line: &str| {
        decided(&[known.as_slice(), &["~ Username: ", line, "< Username: ", "< Last login"]].concat())[1].clone()
    };
    assert_eq!(after("> \x1b[A"), "login_success user=smith password=<none> line=Last login");
    assert_eq!(after("> \x1b[Ax"), "login_confused msg=extra_repeat_text line=\\x1b[Ax");
    let new = decided(&["< Username: ", "> \x1b[A"]);
    assert_eq!(new[0], "login_confused msg=repeat_without_username line=\\x1b[A");
    let embedded = decided(&["USER=\x1b[A", "< Username: ", "> \x1b[A"]);
    assert!(embedded[0].contains("msg=username_with_embedded_repeat"), "{embedded:?}");
}

#[test]
fn a_responder_has_no_environment() {
    let mut bench = bench();
    let variable = Variable { name: b"USER", value: b"root", user_variable: false };
    bench.call(|Lines(login), cx| login.set_env(cx, Direction::FromResp, &variable));
    assert_eq!(bench.said()[0], "login_confused msg=responder_environment line=USER");
}

#[test]
fn timeouts_direct_prompts_skips_and_silence() {
    let script = ["~ login: ", "> smith", "< login: smith", "< Login timed out"];
    assert_eq!(decided(&script), ["login_failure user=smith password=<timeout> line=Login timed out"]);
    assert!(
        decided(&["< login: ", "< Login timed out", "< Login timed out"]).len() == 1,
        "nothing was typed in between"
    );
    let mut direct = bench();
    play(&mut direct, &["< TERMINAL? vt100"]);
    assert_eq!(direct.said()[1], "login_success user=vt100 password=<none> line=TERMINAL? vt100");
    assert!(direct.analyzer.0.is_done());
    let mut skipped = bench();
    play(&mut skipped, &["< WELCOME TO THE BERKELEY PUBLIC LIBRARY", "> x"]);
    assert_eq!((skipped.names().len(), skipped.conn.login), (2, LoginState::Skip));
    let quiet = [
        ["~ login: ", "> smith", "< login: smith", "~ Password: ", "> secret"].as_slice(),
        &["< one of many lines"; 13],
    ]
    .concat();
    assert_eq!(decided(&quiet), ["login_success user=smith password=<hidden> line=one of many lines"]);
    assert!(decided(&quiet[..17]).is_empty(), "ten, and as many as were typed");
}

#[test]
fn what_was_abandoned_is_incomplete() {
    let script = ["~ login: ", "> smith", "< login: smith", "~ Password: ", "end"];
    assert_eq!(decided(&script), ["login_incomplete user=smith password=<none> line=<EOF>"]);
    assert_eq!(decided(&["> smith", "> secret", "end"]), ["login_incomplete user=smith password=<hidden> line=<EOF>"]);
    assert!(decided(&["~ login: ", "> ", "< login: ", "end"]).is_empty(), "nothing was typed");
    assert_eq!(decided(&["< login: smith", "end"]), ["login_incomplete user=smith password=<none> line=<EOF>"]);
}

#[test]
fn a_failure_that_is_none_and_an_exploit_without_a_prompt() {
    let script = ["~ login: ", "> smith", "< login: smith", "< 2 failures since last successful login."];
    assert!(decided(&script)[0].starts_with("login_success user=smith"));
    assert_eq!(
        decided(&["USER=-f root", "< Last login: Mon"]),
        ["login_success user=-f root password=<none> line=Last login: Mon"]
    );
    let rlogin = ["user root", "< Last login: Mon"];
    assert_eq!(decided(&rlogin), ["login_success user=root password=<none> line=Last login: Mon"]);
}

#[test]
fn nobody_knows_who_is_who_in_a_session_from_the_middle() {
    let mut bench = bench();
    bench.conn.orig.state = EndpointState::Partial;
    play(&mut bench, &["~ $ ls", "> ls", "< Last login: Mon", "> ls"]);
    let said = bench.said();
    assert_eq!(said[1], "login_confused_text line=ls");
    assert_eq!((said[3].as_str(), said.len()), ("login_success user=<none> password=<none> line=Last login: Mon", 5));
}

#[test]
fn no_password_is_shown() {
    assert_eq!(shown(&["> smith", "> secret", "> third"]), ["smith", "<hidden>", "<hidden>"], "typed ahead");
    let line_mode = ["~ login: ", "> smith", "~ login: Password:", "> secret"];
    assert_eq!(shown(&line_mode), ["smith", "<hidden>"]);
    assert_eq!(shown(&["~ login: ", "> smith", "> secret"]), ["smith", "<hidden>"], "in one go");
    assert_eq!(shown(&["~ login: ", "> smith", "echo", "~ PIN: ", "> 1", "no echo"]), ["smith", "<hidden>"]);
    let again = ["~ login: ", "> ", "~ login: login: ", "> smith", "> secret", "~ login: login: smith", "> secret"];
    assert_eq!(shown(&again), ["smith", "<hidden>", "<hidden>"], "asked anew on the same line");
    assert_eq!(shown(&["~ Your magic word: ", "> secret"]), ["<hidden>"], "when in doubt");
    assert_eq!(
        shown(&[
            "~ login: ",
            "> a",
            "< login: a",
            "~ Password: ",
            "> b",
            "< ",
            "< Last login",
            "~ $ ls",
            "> ls",
            "~ [sudo] password for a: ",
            "> b",
            "~ # id",
            "> id"
        ])[2..],
        ["ls", "<hidden>", "id"]
    );
    let mut bench = bench();
    play(
        &mut bench,
        &[
            "~ login: ",
            "> smith",
            "< login: smith",
            "~ Password: secret12",
            "> secret12",
            "< Password: secret12",
            "< ret12",
            "< Login incorrect",
        ],
    );
    let said = bench.said().join("\n");
    assert!(!said.contains("secret12") && !said.contains("ret12"), "{said}");
    assert_eq!(said.matches("smith").count(), 3, "{said}");
    let known = ["~ login: ", "> a", "< login: a", "~ Password: ", "> b", "< ", "< Last login"];
    let mut bench = self::bench();
    play(
        &mut bench,
        &[known.as_slice(), &["> net user bob secret12", "< ", "< $ net user bob secret12", "< done"]].concat(),
    );
    let said = bench.said().join("\n");
    assert!(!said.contains("secret12") && said.ends_with("login_output_line line=done"), "{said}");
}

#[test]
fn a_command_behind_a_shells_prompt_is_no_password() {
    let told = decided(&["user alice", "~ $ ", "> id", "< $ id"]);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("password=<none>"), "{told:#?}");
    // What was typed at a prompt for a password stays one, whatever the server shows behind it.
    for script in [
        &["user alice", "~ $ Password: ", "> secret", "< $ Password: secret", "< Last login: Mon"][..],
        &["user alice", "~ Password: ", "> secret", "< Password: ", "< $ secret"],
        &["user alice", "> secret", "< $ secret"],
    ] {
        let told = decided(script);
        assert!(told.iter().all(|line| !line.contains("secret") || line.contains("password=")), "{told:#?}");
        assert!(told.iter().any(|line| line.starts_with("login_success") && !line.contains("<none>")), "{told:#?}");
    }
}
