//! How many instructions a step takes, counted by Valgrind: the same in every run, whatever else the machine does.

use std::process::{Command, ExitCode, Stdio};

/// What the runner must be, to the digit.
const INSTALL: &str = "cargo install --locked gungraun-runner --version 0.20.0";

fn main() -> ExitCode {
    // The runner starts this program again, under Valgrind.
    let is_counted = std::env::args().any(|argument| argument == "--gungraun-run");
    let is_there =
        |tool| Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if is_counted || is_there("gungraun-runner") && is_there("valgrind") {
        counted::run();
    } else {
        println!("instructions are not counted: that takes Valgrind and `{INSTALL}`");
    }
    ExitCode::SUCCESS
}

#[allow(unused_qualifications, reason = "the macros write such paths")]
mod counted {
    use std::hint::black_box;

    use gungraun::{Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
    use portreeve::analyzers::Service;
    use portreeve::capture::Gate;
    use portreeve::capture::filter::HostFilter;
    use portreeve::config::{DecodeSettings, Settings};
    use portreeve::flow::key::{Direction, FlowKey, Transport};
    use portreeve::flow::table::Table;
    use portreeve::kernel::Plan;
    use portreeve::packet;
    use portreeve_bench::micro::flows::{self, Record};
    use portreeve_bench::micro::listener::Listener;
    use portreeve_bench::micro::{conversations, samples};

    const FLOWS: u32 = 1024;

    pub fn run() {
        main();
    }

    fn frame(kind: &str) -> Vec<u8> {
        samples::kinds().into_iter().find(|(name, _)| *name == kind).expect("a kind of frame").1
    }

    /// A filter that has seen such a frame before.
    fn filter(kind: &str) -> Box<(HostFilter, Vec<u8>)> {
        let mut filter = HostFilter::new(&Plan::new(&Settings::default(), 1, 1).expect("a plan"));
        let frame = frame(kind);
        filter.admits(&samples::shown(&frame));
        Box::new((filter, frame))
    }

    fn table() -> Box<(Table<Record>, FlowKey)> {
        let mut table = Table::new(FLOWS as usize, 7);
        for key in (0..FLOWS).map(flows::key) {
            table.insert(Record::new(key)).expect("there is room");
        }
        Box::new((table, flows::key(FLOWS / 2).reverse()))
    }

    /// An analyzer in the middle of an FTP session.
    fn ftp() -> Box<Listener> {
        let mut listener = Listener::new(Service::Ftp, Transport::Tcp);
        listener.hear(&conversations::ftp());
        Box::new(listener)
    }

    // What a step worked with is given back, so that nobody counts how it is dropped.

    #[library_benchmark]
    #[bench::udp(frame("udp-wanted"))]
    #[bench::tcp(frame("tcp-wanted"))]
    #[bench::ipv6(frame("ipv6-wanted"))]
    #[bench::vlan(frame("vlan-wanted"))]
    fn decode(frame: Vec<u8>) -> Vec<u8> {
        let _ = black_box(packet::decode(black_box(&samples::shown(&frame)), &DecodeSettings::default()));
        frame
    }

    #[library_benchmark]
    #[bench::udp_wanted(filter("udp-wanted"))]
    #[bench::udp_unwanted(filter("udp-unwanted"))]
    #[bench::tcp_wanted(filter("tcp-wanted"))]
    #[bench::tcp_unwanted(filter("tcp-unwanted"))]
    #[bench::ipv6_unwanted(filter("ipv6-unwanted"))]
    #[bench::vlan_unwanted(filter("vlan-unwanted"))]
    #[bench::arp(filter("arp"))]
    fn classify(mut of: Box<(HostFilter, Vec<u8>)>) -> Box<(HostFilter, Vec<u8>)> {
        let (filter, frame) = &mut *of;
        black_box(filter.admits(black_box(&samples::shown(frame))));
        of
    }

    #[library_benchmark]
    #[bench::hit(table())]
    fn lookup(mut of: Box<(Table<Record>, FlowKey)>) -> Box<(Table<Record>, FlowKey)> {
        let (table, key) = &mut *of;
        if let Some((id, _)) = table.find(black_box(key)) {
            black_box(table.get_mut(id).map(Record::touch));
        }
        of
    }

    #[library_benchmark]
    #[bench::request(ftp(), Direction::FromOrig, b"CWD pub/ships\r\n")]
    #[bench::reply(ftp(), Direction::FromResp, b"250 CWD command successful.\r\n")]
    fn ftp_line(mut listener: Box<Listener>, direction: Direction, line: &[u8]) -> Box<Listener> {
        listener.message(direction, black_box(line));
        listener
    }

    library_benchmark_group!(name = steps, benchmarks = [decode, classify, lookup, ftp_line]);
    main!(
        config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
        library_benchmark_groups = steps
    );
}
