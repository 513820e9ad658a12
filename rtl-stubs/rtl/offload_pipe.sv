// The receive side whole: every block beside the stream, and a frame buffer behind it that holds each frame until
// its queue and its verdict are known.
//
//   s_axis -+-> buffer -----------------------------+-> m_axis, with what is said of the frame beside it
//           +-> rx_parser ---> flow_match ---> fate -+
//           +-> checksum_rx ------------------------+
//           +-> rx_timestamp <- ptp_clock ----------+
//
// A wire does not wait: s_axis_tready is always high. What the buffer has no room for is dropped, whole, and never
// what is in it already: of a frame that overflows nothing is delivered (policy: drop the arriving frame). The same
// becomes of a frame that is longer than LEN_MAX, and of one that the MAC calls damaged (s_axis_tuser with its last
// beat). A frame that is dropped has one reason, the first of these:
//
//   1 mac_error    the MAC found the frame check sequence wrong, or cut the frame
//   2 too_long     longer than LEN_MAX
//   3 buffer_full  no room for its bytes, or for one more frame
//   4 not_ours     no rule matched it, and what no rule matches is not ours
//   5 flow_drop    a rule dropped it
//
// What comes during a reset is lost, and what follows it begins a frame: a MAC that is not reset as well has to be
// between frames, or the rest of its frame counts as one.
//
// Eight cycles after its last beat a frame's fate is known. Its first beat leaves three cycles later, if nothing is
// before it.
`default_nettype none

module offload_pipe #(
  parameter int DATA_W = 64,
  parameter int LEN_MAX = 9216,
  // A power of two, no less than LEN_MAX.
  parameter int BUFFER_BYTES = 32768,
  // While the longest frame leaves, some 155 of Ethernet's shortest (60 bytes) come, at either width: a host that is
  // always ready loses none of them.
  parameter int FRAMES = 256,
  parameter int RULES = 16,
  localparam int BYTES = DATA_W / 8,
  localparam int INDEX_BITS = $clog2(RULES),
  localparam int QUEUE_BITS = 4,
  localparam int LIFE_BITS = 8
) (
  input  wire                  clk,
  input  wire                  rst,

  input  wire [DATA_W-1:0]     s_axis_tdata,
  input  wire [BYTES-1:0]      s_axis_tkeep,
  input  wire                  s_axis_tvalid,
  output wire                  s_axis_tready,
  input  wire                  s_axis_tlast,
  input  wire                  s_axis_tuser,

  // What is said of a frame stands beside each of its beats.
  output logic [DATA_W-1:0]    m_axis_tdata,
  output logic [BYTES-1:0]     m_axis_tkeep,
  output logic                 m_axis_tvalid,
  input  wire                  m_axis_tready,
  output logic                 m_axis_tlast,
  output wire [QUEUE_BITS-1:0] m_queue,
  output wire                  m_hit,
  output wire [INDEX_BITS-1:0] m_rule,
  output wire                  m_marked,
  output wire [31:0]           m_mark,
  output wire                  m_is_segment,
  output wire [1:0]            m_verdict_l3,
  output wire [1:0]            m_verdict_l4,
  output wire [15:0]           m_raw_sum,
  output wire [16:0]           m_len,
  output wire [95:0]           m_stamp_tod,
  output wire [63:0]           m_stamp_count,
  output wire [15:0]           m_stamp_generation,

  // Which verdicts are given; one that is not is unknown.
  input  wire                  enable_l3,
  input  wire                  enable_l4,
  // What becomes of frames that no rule matches.
  input  wire                  miss_is_ours,
  input  wire [QUEUE_BITS-1:0] miss_queue,

  // As flow_match has them.
  input  wire                  write_valid,
  input  wire [INDEX_BITS-1:0] write_index,
  input  wire                  write_enable,
  input  wire [3:0]            write_priority,
  input  wire [127:16]         write_value,
  input  wire [127:16]         write_mask,
  input  wire                  write_drop,
  input  wire [QUEUE_BITS-1:0] write_queue,
  input  wire                  write_marks,
  input  wire [31:0]           write_mark,
  input  wire                  write_counts,
  output wire [31:0]           generation,
  input  wire                  read_valid,
  input  wire [INDEX_BITS-1:0] read_index,
  output wire [47:0]           read_hits,
  output wire [47:0]           read_bytes,

  // As ptp_clock has them.
  input  wire [7:0]            period_ns,
  input  wire [31:0]           period_fraction,
  input  wire                  set_valid,
  input  wire [47:0]           set_seconds,
  input  wire [29:0]           set_ns,
  output wire [95:0]           tod,
  output wire [63:0]           count,
  output wire [15:0]           clock_generation,

  // One cycle for each frame that is dropped, with the number of the reason.
  output logic                 drop_valid,
  output logic [2:0]           drop_code,
  output logic                 stat_delivered,
  output logic                 stat_drop_mac_error,
  output logic                 stat_drop_too_long,
  output logic                 stat_drop_buffer_full,
  output logic                 stat_drop_not_ours,
  output logic                 stat_drop_flow_drop,

  // What the buffer holds: beats of frames that are in or come in, and frames that are in whole.
  output wire [$clog2(BUFFER_BYTES / BYTES):0] held_beats,
  output wire [$clog2(FRAMES):0]               held_frames
);

  localparam int LANE_BITS = $clog2(BYTES);
  localparam int RAM_BEATS = BUFFER_BYTES / BYTES;
  localparam int RAM_BITS = $clog2(RAM_BEATS);
  localparam int BEATS_MAX = (LEN_MAX + BYTES - 1) / BYTES;
  localparam int FRAME_BITS = $clog2(FRAMES);
  localparam logic [2:0] MAC_ERROR = offload_pkg::DROP_MAC_ERROR, TOO_LONG = offload_pkg::DROP_TOO_LONG,
                         BUFFER_FULL = offload_pkg::DROP_BUFFER_FULL, NOT_OURS = offload_pkg::DROP_NOT_OURS,
                         FLOW_DROP = offload_pkg::DROP_FLOW_DROP;
  // From a last beat to what the slowest block says of it; and what the others wait for that.
  localparam int WAIT = 7;
  localparam int WAIT_END = WAIT - 3;
  localparam int WAIT_VERDICT = DATA_W > 64 ? 0 : 3;

  assign s_axis_tready = 1'b1;

  // --- The way in: beats into the ring, unless the frame is lost --------------------------------------

  logic [RAM_BITS:0]   write_at, frame_at, read_at, beats_in;
  logic [FRAME_BITS:0] frames_held;
  logic                is_first, is_lost;
  logic [2:0]          lost_to;
  wire                 frame_leaves;

  wire [RAM_BITS:0] start = is_first ? write_at : frame_at;
  wire is_too_long = beats_in == (RAM_BITS + 1)'(BEATS_MAX);
  assign held_beats = write_at - read_at;
  assign held_frames = frames_held;
  wire is_full = held_beats == (RAM_BITS + 1)'(RAM_BEATS) || (is_first && frames_held == (FRAME_BITS + 1)'(FRAMES));
  // With this beat, or before.
  wire loses = is_lost || is_too_long || is_full;
  wire [2:0] loses_to = is_too_long ? TOO_LONG : is_lost ? lost_to : BUFFER_FULL;
  wire ends = s_axis_tvalid && s_axis_tlast;
  wire keeps = !loses && !(s_axis_tlast && s_axis_tuser);
  wire [2:0] why = s_axis_tuser ? MAC_ERROR : loses_to;

  logic [LANE_BITS-1:0] kept_less_1;
  always_comb begin
    kept_less_1 = '0;
    for (int i = 1; i < BYTES; i++)
      if (s_axis_tkeep[i] && (i == BYTES - 1 || !s_axis_tkeep[(i + 1) % BYTES]))
        kept_less_1 = kept_less_1 | LANE_BITS'(i);
  end

  localparam int ENTRY_BITS = LANE_BITS + DATA_W;
  logic [ENTRY_BITS-1:0] ring [0:RAM_BEATS-1];

  always_ff @(posedge clk) begin
    if (s_axis_tvalid && !loses) ring[write_at[RAM_BITS-1:0]] <= {kept_less_1, s_axis_tdata};
    if (rst) begin
      is_first <= 1'b1;
      is_lost <= 1'b0;
      lost_to <= BUFFER_FULL;
      write_at <= '0;
      frame_at <= '0;
      beats_in <= '0;
      frames_held <= '0;
    end else begin
      if (s_axis_tvalid) begin
        is_first <= s_axis_tlast;
        is_lost <= loses && !s_axis_tlast;
        lost_to <= loses_to;
        frame_at <= start;
        write_at <= keeps ? write_at + 1'b1 : start;
        // It goes on counting while there is no room: too long is too long.
        beats_in <= s_axis_tlast ? '0 : is_too_long ? beats_in : beats_in + 1'b1;
      end
      frames_held <= frames_held + (FRAME_BITS + 1)'(ends && keeps) - (FRAME_BITS + 1)'(frame_leaves);
    end
  end

  // --- What the blocks say ----------------------------------------------------------------------------

  wire         key_valid, end_has_key, end_is_segment, match_valid, match_hit, match_drop, match_marks;
  wire [127:0] key;
  wire [16:0]  end_len;
  wire [1:0]   verdict_l3, verdict_l4;
  wire [15:0]  raw_sum, stamp_generation;
  wire [95:0]  stamp_tod;
  wire [63:0]  stamp_count;
  wire [INDEX_BITS-1:0] match_index;
  wire [LIFE_BITS-1:0]  match_life;
  wire [QUEUE_BITS-1:0] match_queue;
  wire [31:0]           match_mark;
  /* verilator lint_off UNUSEDSIGNAL */
  wire         end_valid, verdict_valid, stamp_valid;
  wire [2:0]   stat_parser;
  wire [4:0]   stat_checksum;
  wire [31:0]  match_generation;
  /* verilator lint_on UNUSEDSIGNAL */

  rx_parser #(.DATA_W(DATA_W)) parser (
    .clk(clk), .rst(rst), .s_axis_tdata(s_axis_tdata), .s_axis_tkeep(s_axis_tkeep), .s_axis_tvalid(s_axis_tvalid),
    .s_axis_tready(1'b1), .s_axis_tlast(s_axis_tlast), .key_valid(key_valid), .key(key), .end_valid(end_valid),
    .end_has_key(end_has_key), .end_is_segment(end_is_segment), .end_len(end_len), .stat_not_ipv4(stat_parser[0]),
    .stat_ipv4_malformed(stat_parser[1]), .stat_tcp_malformed(stat_parser[2])
  );

  checksum_rx #(.DATA_W(DATA_W)) checksums (
    .clk(clk), .rst(rst), .s_axis_tdata(s_axis_tdata), .s_axis_tkeep(s_axis_tkeep), .s_axis_tvalid(s_axis_tvalid),
    .s_axis_tready(1'b1), .s_axis_tlast(s_axis_tlast), .verdict_valid(verdict_valid), .verdict_l3(verdict_l3),
    .verdict_l4(verdict_l4), .raw_sum(raw_sum), .stat_l3_good(stat_checksum[0]), .stat_l3_bad(stat_checksum[1]),
    .stat_l4_good(stat_checksum[2]), .stat_l4_bad(stat_checksum[3]), .stat_unknown(stat_checksum[4])
  );

  ptp_clock clock (
    .clk(clk), .rst(rst), .period_ns(period_ns), .period_fraction(period_fraction), .set_valid(set_valid),
    .set_seconds(set_seconds), .set_ns(set_ns), .tod(tod), .count(count), .generation(clock_generation)
  );

  rx_timestamp stamps (
    .clk(clk), .rst(rst), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(1'b1), .s_axis_tlast(s_axis_tlast), .tod(tod),
    .count(count), .generation(clock_generation), .stamp_valid(stamp_valid), .stamp_tod(stamp_tod),
    .stamp_count(stamp_count), .stamp_generation(stamp_generation)
  );

  wire                  counts;
  wire [INDEX_BITS-1:0] index_7;
  wire [LIFE_BITS-1:0]  life_7;
  wire [16:0]           len_7;

  flow_match #(.RULES(RULES), .QUEUE_BITS(QUEUE_BITS), .LIFE_BITS(LIFE_BITS)) steering (
    .clk(clk), .rst(rst), .write_valid(write_valid), .write_index(write_index), .write_enable(write_enable),
    .write_priority(write_priority), .write_value(write_value), .write_mask(write_mask), .write_drop(write_drop),
    .write_queue(write_queue), .write_marks(write_marks), .write_mark(write_mark), .write_counts(write_counts),
    .generation(generation), .key_valid(key_valid), .key(key[127:16]), .match_valid(match_valid),
    .match_hit(match_hit), .match_index(match_index), .match_life(match_life), .match_drop(match_drop),
    .match_queue(match_queue), .match_marks(match_marks), .match_mark(match_mark),
    .match_generation(match_generation), .count_valid(counts), .count_index(index_7), .count_life(life_7),
    .count_bytes(len_7), .read_valid(read_valid), .read_index(read_index), .read_hits(read_hits),
    .read_bytes(read_bytes)
  );
  /* verilator lint_off UNUSEDSIGNAL */
  wire [15:0] key_spare = key[15:0];
  /* verilator lint_on UNUSEDSIGNAL */

  // --- All of it at one time, seven cycles after the last beat ----------------------------------------

  localparam int FATE_BITS = 1 + 3 + RAM_BITS + 1;
  logic [WAIT-1:0]           ends_then;
  logic [WAIT*FATE_BITS-1:0] fates_then;
  localparam int STAMP_BITS = 96 + 64 + 16;
  // The stamp stands one cycle after the first beat, which may be the last.
  logic [(WAIT-1)*STAMP_BITS-1:0] stamps_then;
  localparam int END_BITS = 1 + 1 + 17;
  logic [WAIT_END*END_BITS-1:0] ends_told;

  always_ff @(posedge clk) begin
    ends_then   <= rst ? '0 : WAIT'({ends_then, ends});
    fates_then  <= (WAIT*FATE_BITS)'({fates_then, keeps, why, beats_in + 1'b1});
    stamps_then <= ((WAIT-1)*STAMP_BITS)'({stamps_then, stamp_tod, stamp_count, stamp_generation});
    ends_told   <= (WAIT_END*END_BITS)'({ends_told, end_has_key, end_is_segment, end_len});
  end

  wire                  ends_7 = ends_then[WAIT-1];
  wire                  kept_7;
  wire [2:0]            why_7;
  wire [RAM_BITS:0]     beats_7;
  wire [STAMP_BITS-1:0] stamp_7 = stamps_then[(WAIT-2)*STAMP_BITS +: STAMP_BITS];
  wire                  has_key_7, is_segment_7;
  assign {kept_7, why_7, beats_7} = fates_then[(WAIT-1)*FATE_BITS +: FATE_BITS];
  assign {has_key_7, is_segment_7, len_7} = ends_told[(WAIT_END-1)*END_BITS +: END_BITS];

  wire [19:0] judged = {enable_l3 ? verdict_l3 : offload_pkg::VERDICT_UNKNOWN,
                        enable_l4 ? verdict_l4 : offload_pkg::VERDICT_UNKNOWN, raw_sum};
  wire [19:0] judged_7;
  generate
    if (WAIT_VERDICT > 0) begin : wait_for_match
      logic [WAIT_VERDICT*20-1:0] judged_then;
      always_ff @(posedge clk) judged_then <= (WAIT_VERDICT*20)'({judged_then, judged});
      assign judged_7 = judged_then[(WAIT_VERDICT-1)*20 +: 20];
    end else begin : at_once
      assign judged_7 = judged;
    end
  endgenerate

  // The answer to a frame's key comes now or has come before; the next frame's comes later.
  localparam int ANSWER_BITS = 1 + INDEX_BITS + LIFE_BITS + 1 + QUEUE_BITS + 1 + 32;
  wire [ANSWER_BITS-1:0] answer_now =
    {match_hit, match_index, match_life, match_drop, match_queue, match_marks, match_mark};
  logic [ANSWER_BITS-1:0] answer_held;
  always_ff @(posedge clk) if (match_valid) answer_held <= answer_now;

  wire                  answer_hit, answer_drop, answer_marks;
  wire [QUEUE_BITS-1:0] answer_queue;
  wire [31:0]           answer_mark;
  assign {answer_hit, index_7, life_7, answer_drop, answer_queue, answer_marks, answer_mark} =
    match_valid ? answer_now : answer_held;

  wire hit_7 = has_key_7 && answer_hit;
  wire drops_7 = hit_7 ? answer_drop : !miss_is_ours;
  assign counts = ends_7 && kept_7 && hit_7;

  // --- Frames whose fate is known, in order -----------------------------------------------------------

  localparam int META_BITS = QUEUE_BITS + 1 + INDEX_BITS + 1 + 32 + 1 + 20 + 17 + STAMP_BITS;
  localparam int KNOWN_BITS = RAM_BITS + 1 + 1 + META_BITS;
  logic [KNOWN_BITS-1:0] known [0:FRAMES-1];
  logic [KNOWN_BITS-1:0] known_entry;
  logic                  known_valid;
  logic [FRAME_BITS:0]   known_write, known_read;

  wire [META_BITS-1:0] meta_7 = {hit_7 ? answer_queue : miss_queue, hit_7, hit_7 ? index_7 : INDEX_BITS'(0),
                                 hit_7 && answer_marks, hit_7 && answer_marks ? answer_mark : 32'd0, is_segment_7,
                                 judged_7, len_7, stamp_7};
  wire drop_7 = ends_7 && !rst && (!kept_7 || drops_7);
  wire [2:0] code_7 = !kept_7 ? why_7 : hit_7 ? FLOW_DROP : NOT_OURS;

  always_ff @(posedge clk) begin
    known_valid <= ends_7 && kept_7 && !rst;
    known_entry <= {beats_7, drops_7, meta_7};
    if (known_valid) known[known_write[FRAME_BITS-1:0]] <= known_entry;
    if (rst) known_write <= '0;
    else if (known_valid) known_write <= known_write + 1'b1;

    drop_valid <= drop_7;
    drop_code <= drop_7 ? code_7 : 3'd0;
    stat_delivered <= ends_7 && !rst && !drop_7;
    stat_drop_mac_error <= drop_7 && code_7 == MAC_ERROR;
    stat_drop_too_long <= drop_7 && code_7 == TOO_LONG;
    stat_drop_buffer_full <= drop_7 && code_7 == BUFFER_FULL;
    stat_drop_not_ours <= drop_7 && code_7 == NOT_OURS;
    stat_drop_flow_drop <= drop_7 && code_7 == FLOW_DROP;
  end

  // --- The way out ------------------------------------------------------------------------------------

  wire [RAM_BITS:0]    beats_out;
  wire                 drops_out;
  wire [META_BITS-1:0] meta_out;
  assign {beats_out, drops_out, meta_out} = known[known_read[FRAME_BITS-1:0]];

  wire advances = !m_axis_tvalid || m_axis_tready;
  wire has_frame = known_write != known_read;
  logic [RAM_BITS:0] beat_out;
  wire is_last_out = beat_out + 1'b1 == beats_out;
  assign frame_leaves = advances && has_frame && (drops_out || is_last_out);

  logic                  valid_r, last_r;
  logic [ENTRY_BITS-1:0] entry_r;
  logic [META_BITS-1:0]  meta_r, m_meta;

  always_ff @(posedge clk) begin
    if (advances) begin
      entry_r <= ring[read_at[RAM_BITS-1:0]];
      last_r <= is_last_out;
      meta_r <= meta_out;
      m_axis_tdata <= entry_r[DATA_W-1:0];
      m_axis_tlast <= last_r;
      m_meta <= meta_r;
      for (int b = 0; b < BYTES; b++)
        m_axis_tkeep[b] <= !last_r || LANE_BITS'(b) <= entry_r[DATA_W +: LANE_BITS];
    end
    if (rst) begin
      valid_r <= 1'b0;
      m_axis_tvalid <= 1'b0;
      read_at <= '0;
      beat_out <= '0;
      known_read <= '0;
    end else if (advances) begin
      valid_r <= has_frame && !drops_out;
      m_axis_tvalid <= valid_r;
      if (has_frame) begin
        read_at <= drops_out ? read_at + beats_out : read_at + 1'b1;
        beat_out <= drops_out || is_last_out ? '0 : beat_out + 1'b1;
        if (drops_out || is_last_out) known_read <= known_read + 1'b1;
      end
    end
  end

  assign {m_queue, m_hit, m_rule, m_marked, m_mark, m_is_segment, m_verdict_l3, m_verdict_l4, m_raw_sum, m_len,
          m_stamp_tod, m_stamp_count, m_stamp_generation} = m_meta;

endmodule

`default_nettype wire
