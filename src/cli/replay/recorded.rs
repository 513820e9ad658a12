//! What a capture has of FIX sessions: connections from their SYNs on, both directions put together.

use std::collections::HashMap;
use std::fs::File;
use std::net::SocketAddrV4;
use std::path::Path;

use fixwire::measure::capture::{Capture, Frame, Skip};
use fixwire::wire::ethernet::{self, Ethertype, Mac};
use fixwire::wire::ipv4::{self, Protocol};
use fixwire::wire::tcp::{self, Flags, Segment, SeqNumber};

use super::stream::{Stream, field};
use crate::cli::failure::Failure;

/// What is held of a capture, in bytes of its packets.
const BYTES_MAX: usize = 1 << 30;
/// Connections that are told apart.
const CONNECTIONS_MAX: usize = 65_536;
/// A message's beginning.
const FIX: &[u8] = b"8=FIX";

/// One end of a connection.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) at: SocketAddrV4,
    pub(super) mac: Mac,
    pub(super) sent: Stream,
    /// TSval of its SYN, where it had one.
    pub(super) tsval: Option<u32>,
    /// Its first FIX message, where the connection has no SYN to begin with.
    first: Option<Vec<u8>>,
    /// The most that it acknowledged.
    acknowledged: Option<SeqNumber>,
}

/// A connection, the end that sent the first SYN in front.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) ends: [End; 2],
    pub(super) begun_ns: u64,
    /// The record that it begins with.
    pub(super) first_record: u64,
    pub(super) has_syn: bool,
    pub(super) is_fix: bool,
}

/// A packet of a connection.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) connection: usize,
    /// Whose, as an end of the connection.
    pub(super) from: usize,
    pub(super) at_ns: u64,
    /// From the IPv4 header on.
    pub(super) bytes: Box<[u8]>,
}

/// A capture that was read.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    pub(super) name: String,
    pub(super) frames: u64,
    pub(super) connections: Vec<Recorded>,
    /// In the order of the file; their times never go back.
    pub(super) packets: Vec<Packet>,
    pub(super) begun_ns: u64,
    pub(super) ended_ns: u64,
    /// Where its last record is cut off.
    pub(super) cut_off_at: Option<u64>,
    bytes: usize,
    /// The last connection between two ends, the lower one in front.
    newest: HashMap<(SocketAddrV4, SocketAddrV4), usize>,
}

impl Recording {
    pub(super) fn read(path: &Path) -> Result<Recording, Failure> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| {
            Failure::Input(format!(
                "{name} cannot be read: {error}; name a capture (pcap, pcapng or ERF)"
            ))
        })?;
        let mut capture =
            Capture::open(&*name, 0, file).map_err(|why| Failure::Input(why.to_string()))?;
        let mut recording = Recording {
            name,
            frames: 0,
            connections: Vec::new(),
            packets: Vec::new(),
            begun_ns: 0,
            ended_ns: 0,
            cut_off_at: None,
            bytes: 0,
            newest: HashMap::new(),
        };
        while let Some(frame) =
            capture.next_frame().map_err(|why| Failure::Input(why.to_string()))?
        {
            recording.take(&frame)?;
        }
        recording.cut_off_at = capture.skips().first_offset(Skip::CutOff);
        Ok(recording)
    }

    fn take(&mut self, frame: &Frame<'_>) -> Result<(), Failure> {
        let time = frame.stamp.time;
        let ns = i128::from(time.as_s()) * 1_000_000_000 + i128::from(time.subsec_ns());
        let at_ns = u64::try_from(ns).unwrap_or_default().max(self.ended_ns);
        if self.frames == 0 {
            self.begun_ns = at_ns;
        }
        self.frames += 1;
        self.ended_ns = at_ns;
        // What is no TCP over IPv4 is no session's.
        let Ok(link) = ethernet::Packet::parse(frame.bytes) else { return Ok(()) };
        if link.ethertype != Ethertype::Ipv4 {
            return Ok(());
        }
        let is_cut = frame.bytes.len() < frame.original_len as usize;
        let Ok(packet) = ipv4::Packet::parse(link.payload) else {
            return if is_cut { Err(self.cut_short(frame)) } else { Ok(()) };
        };
        if packet.protocol != Protocol::Tcp {
            return Ok(());
        }
        let Ok(segment) = tcp::Packet::parse(packet.payload).and_then(|of| of.segment()) else {
            return Ok(());
        };
        let ends = [(packet.src, segment.src_port), (packet.dst, segment.dst_port)]
            .map(|(addr, port)| SocketAddrV4::new(addr, port));
        let (connection, from) =
            self.connection(ends, [link.src, link.dst], &segment, (at_ns, frame.number))?;
        let recorded = &mut self.connections[connection];
        if !recorded.take(from, &segment, at_ns) {
            return Err(Failure::Input(format!(
                "{}: of what {} sent to {}, bytes are missing before record {}; record it again with all of it",
                self.name, ends[0], ends[1], frame.number
            )));
        }
        // Padding of short frames is behind the packet.
        let total_len = usize::from(u16::from_be_bytes([link.payload[2], link.payload[3]]));
        let bytes: Box<[u8]> = link.payload.get(..total_len).unwrap_or(link.payload).into();
        self.bytes += bytes.len();
        if self.bytes > BYTES_MAX {
            return Err(Failure::Input(format!(
                "{}: its packets have more than {} MiB, and are held in memory; cut it, or leave out what is no session of ours",
                self.name,
                BYTES_MAX >> 20
            )));
        }
        self.packets.push(Packet { connection, from, at_ns, bytes });
        Ok(())
    }

    fn cut_short(&self, frame: &Frame<'_>) -> Failure {
        Failure::Input(format!(
            "{}: of record {} the first {} bytes of {} were kept; record whole frames (`tcpdump -s 0`)",
            self.name,
            frame.number,
            frame.bytes.len(),
            frame.original_len
        ))
    }

    /// The connection of a segment and whose it is; a SYN that begins another one begins another one.
    fn connection(
        &mut self,
        [from, to]: [SocketAddrV4; 2],
        [from_mac, to_mac]: [Mac; 2],
        segment: &Segment<'_>,
        (at_ns, record): (u64, u64),
    ) -> Result<(usize, usize), Failure> {
        let is_syn = segment.flags.has(Flags::SYN);
        let begins = is_syn && !segment.flags.has(Flags::ACK);
        let between = if from < to { (from, to) } else { (to, from) };
        if let Some(place) = self.newest.get(&between).copied() {
            let ends = &self.connections[place].ends;
            let end = usize::from(ends[0].at != from);
            let isn = ends[end].sent.isn;
            let is_again = isn == Some(segment.seq);
            if !begins || is_again {
                return Ok((place, end));
            }
        }
        if self.connections.len() >= CONNECTIONS_MAX {
            return Err(Failure::Input(format!(
                "{}: it has more than {CONNECTIONS_MAX} connections; leave out what is no session of ours",
                self.name
            )));
        }
        let end = |at, mac| End {
            at,
            mac,
            sent: Stream::default(),
            tsval: None,
            first: None,
            acknowledged: None,
        };
        self.connections.push(Recorded {
            ends: [end(from, from_mac), end(to, to_mac)],
            begun_ns: at_ns,
            first_record: record,
            has_syn: begins,
            is_fix: false,
        });
        let place = self.connections.len() - 1;
        self.newest.insert(between, place);
        Ok((place, 0))
    }
}

impl Recorded {
    fn take(&mut self, from: usize, segment: &Segment<'_>, at_ns: u64) -> bool {
        let end = &mut self.ends[from];
        if segment.flags.has(Flags::SYN) && end.tsval.is_none() {
            end.tsval = segment.options.timestamps.map(|of| of.value);
        }
        if segment.flags.has(Flags::ACK) {
            let is_more = |most: SeqNumber| segment.ack.0.wrapping_sub(most.0) as i32 > 0;
            if end.acknowledged.is_none_or(is_more) {
                end.acknowledged = Some(segment.ack);
            }
        }
        let is_within = end.sent.take(segment, at_ns);
        if segment.payload.starts_with(FIX) {
            end.first.get_or_insert_with(|| segment.payload.to_vec());
        }
        self.is_fix |=
            segment.payload.starts_with(FIX) && (!self.has_syn || end.sent.bytes.starts_with(FIX));
        is_within
    }

    /// Who an end says it is, in its first message, or the other one in its own: BeginString, and its CompIDs and sub-IDs as
    /// that end has them.
    pub(super) fn identity(&self, end: usize) -> Option<Identity> {
        let first = |end: &End| -> Option<Vec<u8>> {
            let message = end.sent.messages().first().map(|of| of.bytes(&end.sent.bytes).to_vec());
            message.or_else(|| end.first.clone())
        };
        let text =
            |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let read = |message: &[u8], [sender, target, sub, far_sub]: [u32; 4]| Identity {
            begin_string: text(field(message, 8)),
            sender_comp_id: text(field(message, sender)),
            target_comp_id: text(field(message, target)),
            sender_sub_id: text(field(message, sub)),
            target_sub_id: text(field(message, far_sub)),
        };
        let own = first(&self.ends[end]).map(|message| read(&message, [49, 56, 50, 57]));
        own.or_else(|| Some(read(&first(&self.ends[1 - end])?, [56, 49, 57, 50])))
    }

    /// How many bytes of an end's the other one acknowledged that are not there.
    pub(super) fn lacks(&self, end: usize) -> Option<u64> {
        let (ours, theirs) = (&self.ends[end].sent, self.ends[1 - end].acknowledged?);
        let end = ours.bytes.len() as i64 + i64::from(ours.has_fin);
        let acknowledged = ours.offset_of(theirs)?;
        u64::try_from(acknowledged - end).ok().filter(|lacking| *lacking > 0)
    }
}

/// Who somebody is to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) begin_string: String,
    pub(super) sender_comp_id: String,
    pub(super) target_comp_id: String,
    pub(super) sender_sub_id: String,
    pub(super) target_sub_id: String,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}->{}", self.begin_string, self.sender_comp_id, self.target_comp_id)
    }
}
