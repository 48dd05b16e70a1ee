//! Portreeve is a passive network sensor for the services that still speak in the clear: portmapper and rpcbind, FTP, Telnet, Rlogin,
//! and SSH beside them. This page is its architecture: what the parts are, how a packet goes through them, and what always holds.
//!
//! # Four layers, one direction
//!
//! | layer | makes | knows |
//! |---|---|---|
//! | [`capture`] | frames | where bytes come from: AF_XDP, AF_PACKET, capture files; nothing above |
//! | [`flow`] | packets, streams of bytes | connections, the order of TCP, fragments, limits; no protocol |
//! | [`analyzers`] | events | one protocol each, in bytes; states facts, judges nothing |
//! | [`policy`] | records, notices, verdicts | the manual's "standard script": one function per event, under the event's name |
//!
//! Policy about one connection, or one pair of hosts, runs in the worker by direct call: there is no queue between an event and its
//! handler. Only what counts across shards runs in the [`collector`].
//!
//! # The way of a packet
//!
//! ```text
//! NIC queue q
//!   -> XDP: classify, steer, stamp                      sensor-ebpf/src/xdp.rs
//!   -> RX ring of socket (q, w)                         capture/afxdp
//!   -> Worker::run        drain a batch, tick, wait     worker.rs
//!   -> Shard::on_frames   look ahead, decode, count     packet.rs, flow/shard.rs
//!   -> connection         find or open, TCP order       flow/table.rs, flow/tcp.rs, flow/stream.rs
//!   -> Analyzer           bytes -> events               analyzers/
//!   -> Policy             events -> records, verdicts   policy/
//!   -> Tracer             frames worth keeping, if any  trace/
//!   -> Outbox             bounded queue, never waits    outbox.rs
//!   -> Collector          cross-shard facts             collector.rs
//!   -> sinks              zeek json or tsv, eve         record/sinks/
//! ```
//!
//! A source shows frames a few at a time. Before the first of them is worked on, the shard hashes the keys of all, and asks for their
//! lines of the index; four frames before its turn, it asks for a connection, and two before, for TCP's state. Memory then is no longer
//! waited for, and nothing else changes: whether a frame is wanted, and whose it is, is found out when its turn has come.
//!
//! Most packets are of the plainest kind, and three steps have a short way for those: the filter (it is not asked about a watched port
//! of a connection that is not bypassed), [`packet`] (no surprises in the transport header), and TCP (a segment with the numbers that come
//! next). The headers as far as the ports are read once for all of them ([`capture::plain`]). A short way only leaves out what cannot
//! happen to such a packet; whatever is not plain goes the long way, and tests hold one to the other.
//!
//! Where policy terminates a connection, its worker asks the thread of [`respond`], through a bounded queue and without waiting, for RSTs to
//! both ends; that thread alone sends anything, and only if that is switched on. It tells the collector what became of each request.
//!
//! # Sharding
//!
//! A shard is chosen by a symmetric, seeded hash of the two addresses, and by nothing else: both directions, all fragments, an FTP
//! control connection and its data connections, and a portmapper lookup with the RPC calls that follow it meet in one worker. Of IP in IP it
//! is the inner pair: the outer addresses may differ by direction. The XDP program computes it, and [`capture::filter`] the same for
//! files. Each worker has one socket on every queue, so a shard is right whatever the NIC's own hashing does.
//!
//! The sockets of a queue share its memory and its fill ring. Any worker may refill, by trying a lock that is held for one batch and
//! never waited for; a ring that one worker owned would run empty while that worker slept. While much comes, few of the frames are in play,
//! so that they are used again while the processor's caches know them; the rest is a reserve that whoever refills calls up, and, for a
//! worker that is kept from its processor, a thread that looks twice a millisecond. At rest all are in play, and the thread sleeps. A worker
//! shows the frames of several queues in the order of the kernel program's time stamps, so that a reply never overtakes its call through a
//! queue that is drained sooner.
//! AF_PACKET fans out by a hash of its own: what counts is that a pair of addresses has one worker.
//!
//! # Expected connections
//!
//! A reply names a port, and the connection to it may come within microseconds, before the capture filter has been told. Therefore, while
//! two hosts have an FTP session, every SYN, FIN and RST between them is captured ([`capture::Gate::accompany`]); the worker, which sees them
//! after the reply, keeps those that were announced. A third host (the manual's bounce, or one that connects in place of another) belongs to
//! another worker: expectations are in the kernel's tables for all, and the workers tell them to each other through bounded queues.
//! Of a transfer, the kernel counts the payload and drops it; its size comes from the FIN's sequence number, and how often numbers have come
//! round from that count.
//!
//! # Bypassed connections
//!
//! Where policy has finished with a connection ([`event::Verdict::skip`]), its payload dies in the kernel, if the settings allow it for that
//! reason ([`capture::BypassReason`]); SYN, FIN and RST still come up. The kernel counts the frames by reason for the ledger, and by
//! connection and side for the record; the worker asks for that account at FIN and RST, when the connection would time out, and at its
//! end, which is also the bypass's. The table gives way to the newest: a hole in what comes up says that this has happened, and the bypass
//! begins anew. The account is lost then, and packets with it; sizes come from sequence numbers and stay right.
//!
//! # Invariants
//!
//! 1. A live worker never waits for another thread. A full [`outbox`] costs a record, is counted, and never costs a packet; notices are
//!    the last to be lost. Nor does it wait where the other has lost its processor in the middle of a step: what goes from a worker to another
//!    thread goes through a [`lane`], each end of which touches what the other has finished; and the collector, like the thread that looks after
//!    the fill rings, stays off the workers' processors, if there are others. (A replay may wait: a file can be read more slowly, and nothing
//!    may be missing from its logs.)
//! 2. Nothing is allocated, formatted, locked or asked of a clock per packet after warm-up. Time comes from the source. (What a
//!    connection's record gathered goes with it, and a sink puts it into words; a packet that is recorded is copied into a message of its own.
//!    Two locks are tried, never waited for: a batch's, to refill, and a long text's, for its buffer; where somebody has it, frames are given
//!    back a batch later, and the buffer is a new one.)
//! 3. Every frame is counted exactly once at every stage, so that the ledger of [`summary`] closes: what was offered equals what was
//!    filtered, bypassed, redirected and lost by reason, and so on up to the lines written.
//! 4. Unsafe code lives in the capture and kernel doors and in [`sys`]; each block says why it holds.
//! 5. Each outside library has one door: aya and aya-log [`kernel`], xsk-rs [`capture::afxdp`], etherparse [`packet`], clap [`cli`],
//!    regex-automata and regex-syntax [`config::sets`]; and the formats of the logs have one, [`record::sinks`].
//! 6. A panic in an analyzer costs one connection: it is caught, counted, and the worker lives.
//! 7. Start: sockets and their map first, then the workers, which wait for each other's memory, the kernel program last. Stop: detach
//!    first, drain, close the connections with their reason, close the sockets last ([`engine`]).
//! 8. The same capture and settings give the same logs: offline or live, one worker or many, however a stream was cut into segments.
//!    Timers are exact in packet time: an event that a timer raises carries its deadline, not the moment at which somebody looked.
//!    Four holes are known, all between shards: the manual's silence about a client's further calls to walld is kept per worker; so is how
//!    many of a storm are told (notices of what the capture lost, weirds beyond their threshold); and in a replay, what one worker learns
//!    of a port, or of an FTP data connection with a third host, reaches the others a few chunks of the file later,
//!    and each worker's source has a table of bypasses of its own, which fills later than one for all would.
//! 9. No byte of a frame is referenced after its batch has been given back.
//! 10. Whatever a remote host can make grow has its bound in [`config::limits`], and reaching it is counted.
//! 11. A default port stands in the table of [`analyzers`], and nowhere else.
//! 12. Bytes from the wire are [`text::Text`]: bounded when made, and without `Display`; only a sink turns them into text.
//!
//! # What the structures cost
//!
//! | structure | costs |
//! |---|---|
//! | [`keyed`] | the hash of every table of the worker whose keys come from the wire: a multiplication per word, and no chosen collisions |
//! | the index of connections | a line of memory per look, or two; its size is fixed at the start, and it is never swept or grown |
//! | a connection | 384 bytes in its slot, six lines of memory: the first three have what every packet needs. TCP's state (240) and a long session's analyzer are beside it. What is to expire is fetched ahead. Live, a worker takes the memory of its slots before the first frame: a page at its first use takes microseconds, a large one a millisecond |
//! | a deadline | nothing while packets put it off: the earliest that was foreseen stays in the wheel, and is computed again when it comes |
//! | what is [`spare`] | one pointer, and nothing beside it until it is needed: calls that wait, bytes that are kept back, FINs, options |
//! | an idle session | of FTP less than 1 KiB, everything added up: slot and index 420, TCP 240, analyzer 160, policy 200 |
//! | a judgement of `check_hot` | once per connection and moment, then a bit of [`flow::Marks`] |
//! | a memory of policy | one look per event: an index entry, and an entry of at most 256 bytes |
//! | a text | 37 bytes in place; a longer one is in a buffer of its worker, which goes back there from whatever thread drops it |
//! | a message to the collector | written once, into a place of 464 bytes that goes through the queue and comes back. Sixteen become visible together, or what there is once a batch: one at a time, two processors would hand each other the same lines for every one. Words are put together by sinks, names are lent from the settings |
//! | a line | its connection's columns are put together once, most others are moves of a fixed length |
//!
//! # Words
//!
//! *frame*: link-layer bytes. *packet*: a frame's headers, decoded. *segment*: TCP payload with a sequence number. *connection*: two
//! endpoints that talk, over TCP or UDP; the manual's word. *originator*, *responder*: its two sides. *event*: a fact, under the manual's name.
//! *notice*: something a person should see. *weird*: something unusual. *verdict*: what policy decides about a connection. *shard*: the
//! connections of one worker. *gate*: the capture filter, as the layers above may change it.

pub mod cli;
pub mod config;
pub mod doctor;
pub mod error;
pub mod keyed;
pub mod lane;
pub mod spare;
pub mod text;
pub mod time;

pub mod engine;
pub mod worker;

pub mod capture;
pub mod host;
pub mod kernel;
pub mod nic;
pub mod sys;

pub mod flow;
pub mod packet;

pub mod analyzers;
pub mod event;

pub mod policy;
pub mod respond;

pub mod collector;
pub mod outbox;
pub mod record;
pub mod stats;
pub mod summary;
pub mod trace;
