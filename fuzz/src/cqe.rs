//! Bytes as what lies in a completion queue of a ConnectX, or as a series of what its device writes and its driver reads.

use std::collections::VecDeque;

use fixwire_hw::mlx5::{
    CQE_LEN, Completion, CompletionQueue, CqeError, FlowTag, L3Header, L4Header, MiniCqe, Received,
    Side, is_ours, software_owner, write_block,
};

const ENTRIES_LOG2: u32 = 4;
const ENTRIES: usize = 1 << ENTRIES_LOG2;

type Ring = [[u8; CQE_LEN]; ENTRIES];

/// Plays `bytes`, the first of which says as what.
///
/// # Panics
/// The queue is not read as it is to be.
pub fn play(bytes: &[u8]) {
    match bytes {
        [] => {}
        [kind, rest @ ..] if kind % 2 == 0 => read_whatever_lies_there(rest),
        [kind, rest @ ..] => read_what_is_written(kind & 2 != 0, rest),
    }
}

/// Each entry is read once, as it stands or not at all, and what was read means the same again.
fn read_whatever_lies_there(bytes: &[u8]) {
    let mut ring: Ring = [[0xf0; CQE_LEN]; ENTRIES];
    for (to, from) in ring.as_flattened_mut().iter_mut().zip(bytes) {
        *to = *from;
    }
    let mut queue = CompletionQueue::new(ENTRIES_LOG2);
    loop {
        let index = queue.consumer_index();
        // An entry of one round is the device's in the next, and what a block gave back is in both.
        assert!(index as usize <= 2 * ENTRIES, "an entry was read twice");
        match queue.next(&mut ring) {
            Ok(None) => {
                let op_own = ring[index as usize % ENTRIES][CQE_LEN - 1];
                assert!(!is_ours(op_own, software_owner(index, ENTRIES_LOG2)));
                return;
            }
            Ok(Some(Completion::Compressed { .. })) => panic!("a block was not unpacked"),
            Ok(Some(completion)) => {
                let again = Completion::decode(&completion.encode(true), true);
                assert_eq!(again, Ok(Some(completion)));
            }
            Err(_) => {}
        }
        assert_eq!(queue.consumer_index(), index + 1);
    }
}

/// What a device writes, in blocks or not, is read in its order, whenever the driver looks. `is_strided`: frames lie in
/// strides of buffers for several of them, else in a buffer each.
fn read_what_is_written(is_strided: bool, bytes: &[u8]) {
    let mut device = Device::new(is_strided);
    let mut queue = CompletionQueue::new(ENTRIES_LOG2);
    for step in bytes.chunks(4) {
        let &[what, a, b, c] = step else { break };
        let room = ENTRIES - device.unread.len();
        let frame = frame(what, a, b, c);
        match what % 8 {
            0..=2 if room > 0 => device.write(Completion::Received(frame)),
            3 if room > 0 && is_strided => {
                device.write(Completion::Filler { strides: u16::from(a) << 7 });
            }
            4 if room > 0 => {
                let side = if a % 2 == 0 { Side::Requester } else { Side::Responder };
                let (syndrome, vendor_syndrome, wqe_counter) = (b, c, device.next);
                let error = CqeError { side, syndrome, vendor_syndrome, wqe_counter };
                device.write(Completion::Failed(error));
            }
            5 if room > 1 => device.write_block(frame, 2 + usize::from(a) % (room - 1)),
            _ => (0..=usize::from(a) % ENTRIES).for_each(|_| device.is_read_by(&mut queue)),
        }
    }
    while !device.unread.is_empty() {
        device.is_read_by(&mut queue);
    }
    device.is_read_by(&mut queue);
}

/// A frame that four bytes describe.
fn frame(what: u8, a: u8, b: u8, c: u8) -> Received {
    let l3 = [L3Header::Ipv4, L3Header::Ipv6, L3Header::None][usize::from(what >> 3) % 3];
    let l4 = [L4Header::TcpAckWithData, L4Header::Udp, L4Header::None][usize::from(what >> 5) % 3];
    Received {
        l2_ok: true,
        l3_ok: b & 1 != 0,
        l4_ok: b & 2 != 0,
        vlan: (b & 4 != 0).then_some(u16::from(c)),
        l3,
        l4,
        byte_cnt: 60 + u16::from(c),
        strides: u16::from(b >> 4),
        rss_hash: u32::from_be_bytes([a, b, c, what]),
        flow_tag: FlowTag::of_dpdk_mark(u32::from(a)).unwrap_or_default(),
        timestamp: u64::from(c) << 24,
        ..Received::default()
    }
}

struct Device {
    ring: Ring,
    producer_index: u32,
    is_strided: bool,
    /// Where the next frame will lie: in which buffer, or from which stride on.
    next: u16,
    /// What the driver has not read yet.
    unread: VecDeque<Completion>,
}

impl Device {
    fn new(is_strided: bool) -> Device {
        // As a driver leaves them before it hands the queue over.
        let ring = [[0xf0; CQE_LEN]; ENTRIES];
        Device { ring, producer_index: 0, is_strided, next: 0xfff0, unread: VecDeque::new() }
    }

    /// The frame where it comes to lie.
    fn placed(&mut self, frame: Received) -> Received {
        let wqe_counter = self.next;
        if self.is_strided {
            let strides = 1 + frame.strides;
            (0..strides).for_each(|_| self.next = self.next.wrapping_add(1));
            Received { wqe_counter, strides, ..frame }
        } else {
            self.next = self.next.wrapping_add(1);
            Received { wqe_counter, strides: 0, ..frame }
        }
    }

    /// Leaves strides to no frame.
    fn left_over(&mut self, strides: u16) -> Completion {
        (0..strides).for_each(|_| self.next = self.next.wrapping_add(1));
        Completion::Filler { strides }
    }

    fn owner(&self) -> bool {
        software_owner(self.producer_index, ENTRIES_LOG2)
    }

    fn write(&mut self, completion: Completion) {
        let completion = match completion {
            Completion::Received(frame) => Completion::Received(self.placed(frame)),
            Completion::Filler { strides } => self.left_over(strides),
            other => other,
        };
        self.ring[self.producer_index as usize % ENTRIES] = completion.encode(self.owner());
        self.producer_index += 1;
        self.unread.push_back(completion);
    }

    /// Frames that differ in what a mini has of its own, and fillers among them as the bits of the first one's hash say.
    fn write_block(&mut self, first: Received, count: usize) {
        let title = Received { wqe_counter: self.next, ..first };
        let mut minis = Vec::new();
        for nth in 0..count {
            let is_filler = self.is_strided && first.rss_hash >> nth & 1 == 1;
            let strides = first.strides.wrapping_mul(nth as u16) & 0x3ff;
            if is_filler {
                minis.push(MiniCqe::filler(strides));
                let filler = self.left_over(strides);
                self.unread.push_back(filler);
                continue;
            }
            let (rss_hash, byte_cnt) = (first.rss_hash ^ nth as u32, first.byte_cnt + nth as u16);
            let frame = self.placed(Received { rss_hash, byte_cnt, strides, ..first });
            minis.push(MiniCqe::of(&frame));
            self.unread.push_back(Completion::Received(frame));
        }
        let owner = self.owner();
        write_block(&mut self.ring, self.producer_index, owner, &title, &minis);
        self.producer_index += count as u32;
    }

    fn is_read_by(&mut self, queue: &mut CompletionQueue) {
        assert_eq!(queue.next(&mut self.ring), Ok(self.unread.pop_front()));
    }
}
