//! Events fed by hand, as the analyzers state them, and what policy makes of them.

use std::sync::Arc;

use super::session::session;
use super::*;
use crate::analyzers::Service;
use crate::analyzers::telnet::Telnet;
use crate::analyzers::testing::conn;
use crate::config::Settings;
use crate::event::login::{Decision, LoginAttempt};
use crate::event::{ConnectionEvent, Event, Handler, LoginState, NvtEvent, Verdict};
use crate::flow::Conn;
use crate::flow::key::{Direction, Transport};
use crate::outbox::{Inbox, WhenFull, outbox};
use crate::record::{Content, Fact, NoticeRecord, Record};

struct Bench {
    policy: Policy,
    conn: Conn,
    inbox: Inbox,
}

impl Bench {
    fn new(sets: &[&str]) -> Self {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        let settings = Arc::new(Settings::load(None, &sets).unwrap());
        let (outbox, inbox) = outbox(256, WhenFull::Drop, Arc::default());
        let mut conn = conn(Transport::Tcp);
        conn.id.key.resp_p = 23;
        conn.service = Some(Service::Telnet);
        Bench { policy: Policy::new(settings, Arc::default(), outbox), conn, inbox }
    }

    fn event(&mut self, event: &Event<'_>) -> Verdict {
        let now = self.conn.start;
        let verdict = self.policy.handle(now, &mut self.conn, event);
        self.conn.login.obey(verdict);
        verdict
    }

    /// As the dialogue does, moves the state: into confusion before it speaks, to a login afterwards.
    fn login(&mut self, event: LoginEvent<'_>) -> Verdict {
        if matches!(event, LoginEvent::LoginConfused { .. }) {
            self.conn.login = LoginState::Confused;
        }
        let verdict = self.event(&Event::Login(event));
        if matches!(event, LoginEvent::LoginSuccess(_)) {
            self.conn.login.log_in();
        }
        verdict
    }

    fn input(&mut self, line: &str) {
        self.login(LoginEvent::LoginInputLine { line: line.as_bytes(), secret: false });
    }

    fn output(&mut self, line: &str) {
        self.login(LoginEvent::LoginOutputLine { line: line.as_bytes(), secret: false });
    }

    /// Notices as `kind: message`, login.log as `login: kind user state`, since the last time.
    fn written(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        self.policy.tick();
        while let Some(message) = self.inbox.pop() {
            match message.content {
                Content::Record(Record::Notice(notice)) => lines.push(told(&notice)),
                Content::Fact(Fact::NoticeOnce { notice, .. }) => lines.push(told(&notice)),
                Content::Record(Record::Login(login)) => {
                    let text = |text: &Option<crate::text::Text>| {
                        text.as_ref()
                            .map_or("-".to_owned(), |text| String::from_utf8_lossy(text.as_bytes()).into_owned())
                    };
                    let (user, password, addl) = (text(&login.user), text(&login.password), text(&login.addl));
                    lines.push(format!("login: {} {user} {password} {} {addl}", login.kind, login.state));
                }
                Content::Record(Record::Weird(weird)) => lines.push(format!("weird: {}", weird.name)),
                _ => {}
            }
        }
        lines
    }
}

fn told(notice: &NoticeRecord) -> String {
    let text = String::from_utf8_lossy(notice.msg.as_bytes()).into_owned();
    format!("{}: {}", notice.note, text.replace("10.0.0.1/832 > 10.0.0.2/telnet ", ""))
}

fn attempt<'a>(user: &'a str, password: &'a str) -> LoginAttempt<'a> {
    LoginAttempt {
        user: user.as_bytes(),
        client_user: b"",
        password: password.as_bytes(),
        line: b"Last login: Mon",
        decided: Decision::Message,
        user_secret: false,
        line_secret: false,
    }
}

#[test]
fn a_failure_and_a_success_are_lines_and_one_more_is_the_session() {
    let mut bench = Bench::new(&[]);
    bench.login(LoginEvent::LoginFailure(attempt("smith", "secret")));
    bench.login(LoginEvent::LoginSuccess(attempt("jones", "s3cret")));
    bench.event(&Event::Connection(ConnectionEvent::ConnectionStateRemove));
    let expected = [
        "login: attempt smith <hidden> AUTHENTICATE fail/smith",
        "PasswordExposed: exposed the password of \"jones\"",
        "login: attempt jones <hidden> LOGGED_IN fail/smith \"jones\"",
        "login: session jones - LOGGED_IN fail/smith \"jones\"",
    ];
    assert_eq!(bench.written(), expected);
}

#[test]
fn sensitive_users_are_told_and_forbidden_ones_cut_off() {
    let mut bench = Bench::new(&["policy.replace.okay_usernames = ['root', 'rewt']"]);
    bench.login(LoginEvent::LoginFailure(attempt("root", "x")));
    assert_eq!(bench.written().len(), 1, "root is hot only if let in");
    bench.login(LoginEvent::LoginSuccess(attempt("roox\x08t", "x")));
    let written = bench.written();
    assert!(written[0].starts_with("SensitiveLogin: fail/root \"roox\x08t,root\""), "{written:?}");
    assert!(written[1].starts_with("login: attempt root"), "what was meant is the user: {written:?}");
    bench.login(LoginEvent::LoginFailure(attempt("ReWt", "x")));
    let written = bench.written();
    assert!(written[0].starts_with("TerminatingConnectionIgnored"), "{written:?}");
    let confused = LoginEvent::LoginConfused { msg: "no_username", line: b"x", secret: false };
    assert!(bench.login(confused).has(Verdict::RECORD));
    bench.login(LoginEvent::LoginSuccess(attempt("-froot", "<none>")));
    assert!(bench.conn.hot > 1);
}

#[test]
fn a_password_that_is_a_user_is_told_by_its_name_alone() {
    let mut bench = Bench::new(&[]);
    bench.login(LoginEvent::LoginFailure(attempt("smith", "rootx\x7f")));
    let written = bench.written();
    assert_eq!(written[0], "SensitiveUsernameInPassword: password: \"root\"");
    let mut bench = Bench::new(&[]);
    bench.login(LoginEvent::LoginFailure(attempt("smith", "youareowned-by-secret")));
    assert_eq!(bench.written()[0], "SensitiveUsernameInPassword: password: \"<hidden>\"");
}

#[test]
fn trouble_is_reported_three_times_and_no_pattern_twice() {
    let mut bench = Bench::new(&[]);
    for line in ["ls", "rewx\x08t", "rewt", "eggdrop", "./bnc", "neet.tar"] {
        bench.input(line);
    }
    let expected =
        ["SensitiveLogin: input \"rewx\x08t\"", "SensitiveLogin: input \"eggdrop\"", "SensitiveLogin: input \"./bnc\""];
    assert_eq!(bench.written(), expected);
    assert_eq!(bench.policy.stats.counters.notices_suppressed.get(), 1);
}

#[test]
fn a_suspicious_folder_waits_for_the_answer() {
    let mut bench = Bench::new(&[]);
    bench.output("$ motd");
    bench.input("cd ...");
    bench.output("cd ...");
    assert!(bench.written().iter().all(|line| !line.contains("input")), "the echo is no answer");
    bench.output("bash: cd: ...: No such file or directory");
    bench.input("cd \". \"");
    bench.output("echo");
    bench.output("total 3");
    let told = bench.written();
    assert_eq!(told, ["SensitiveLogin: input \"cd \". \"\" yielded output \"total 3\""]);
}

#[test]
fn odd_terminals_prompts_and_variables_are_told() {
    let mut bench = Bench::new(&[]);
    bench.login(LoginEvent::LoginTerminal { terminal: b"VT666" });
    bench.login(LoginEvent::LoginPrompt { prompt: b"abcdef" });
    let user = LoginEvent::LoginEnvironment { name: b"USER", value: b"-f root", user_variable: false };
    bench.login(user);
    let expected =
        ["SensitiveLogin: term VT666", "SensitiveLogin: $TTYPROMPT abcdef", "SensitiveLogin: environment USER=-f root"];
    assert_eq!(bench.written()[..3], expected);
}

#[test]
fn what_is_skipped_is_skipped() {
    let mut bench = Bench::new(&["policy.add.non_ASCII_hosts = ['10.0.0.2']", "login.skip_when_logged_in = true"]);
    let verdict = bench.event(&Event::Connection(ConnectionEvent::ConnectionEstablished));
    assert!(verdict.has(Verdict::SKIP | Verdict::DO_NOT_RECORD));
    let mut bench = Bench::new(&["login.skip_when_logged_in = true"]);
    assert!(bench.login(LoginEvent::LoginSuccess(attempt("smith", "x"))).has(Verdict::SKIP));
    let encrypts = |direction, both| Event::Nvt(NvtEvent::ActivatingEncryption { direction, both });
    assert!(!bench.event(&encrypts(Direction::FromOrig, false)).has(Verdict::SKIP));
    assert!(bench.event(&encrypts(Direction::FromResp, true)).has(Verdict::SKIP));
    let mut bench = Bench::new(&[]);
    let excessive = Event::Nvt(NvtEvent::ExcessiveLine { direction: Direction::FromOrig });
    assert!(bench.event(&excessive).has(Verdict::CONFUSED));
    assert_eq!(bench.written(), ["weird: login_confused_excessive_line"]);
}

#[test]
fn an_idle_session_is_small() {
    let mut bench = Bench::new(&[]);
    bench.login(LoginEvent::LoginTerminal { terminal: b"xterm-256color" });
    bench.login(LoginEvent::LoginSuccess(attempt("smith", "x")));
    let session = session(&bench.conn).unwrap();
    let held = size_of::<LoginSession>() + session.held();
    assert!(held <= 128, "{held}");
    // Nothing of an idle analyzer is on the heap: a test of its own says so.
    let all = size_of::<Telnet>() + held;
    assert!(all <= 512, "{all} bytes of an idle session of Telnet, its analyzer with it");
}
