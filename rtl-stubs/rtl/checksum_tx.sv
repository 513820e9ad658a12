// Finishes the checksums of frames to send: stores each frame, sums it on the way in, and writes the fields on
// its way out. A checksum stands before what it covers, so the frame has to be there whole: its first beat
// leaves seven cycles after its last one came (ten where beats are wide), if nothing is before it.
//
// What is to be finished comes with the first beat, in TxMeta's terms (offload/src/nic.rs):
//
//   s_axis_tuser [7:0] length of Ethernet with its tags, [15:8] of the IPv4 header, in bytes,
//                [16] fill in IPv4's checksum, whatever its field holds, [17] finish TCP's, whose field holds
//                the sum of the pseudo-header
//
// What is not switched on in that cycle is as if it were not asked for.
//
// TCP's sum goes to the packet's end where the frame's own lengths tell it, else to the frame's. A sum of zero is
// written as 0x0000. A frame that asks for nothing passes as it is, whatever it is. One that is longer than
// LEN_MAX, or whose fields would lie outside of it, or whose lengths are none of 14, 18 and 22 for Ethernet and
// 20, 24 to 60 for IPv4, is dropped whole and counted.
//
// The last beat keeps at least one lane.
`default_nettype none

module checksum_tx #(
  parameter int DATA_W = 64,
  // The longest frame, in bytes, and room for frames in bytes: a power of two, and no less.
  parameter int LEN_MAX = 9216,
  parameter int RAM_BYTES = 16384,
  // How many frames are held at once: those that come while the longest leaves, if none is shorter than 33 bytes. A
  // sender then waits only where what takes the frames does.
  parameter int FRAMES = 256,
  localparam int BYTES = DATA_W / 8
) (
  input  wire               clk,
  input  wire               rst,

  input  wire [DATA_W-1:0]  s_axis_tdata,
  input  wire [BYTES-1:0]   s_axis_tkeep,
  input  wire               s_axis_tvalid,
  output wire               s_axis_tready,
  input  wire               s_axis_tlast,
  input  wire [17:0]        s_axis_tuser,

  // Which sums are finished; a field that is not leaves as it came.
  input  wire               enable_l3,
  input  wire               enable_l4,

  output logic [DATA_W-1:0] m_axis_tdata,
  output logic [BYTES-1:0]  m_axis_tkeep,
  output logic              m_axis_tvalid,
  input  wire               m_axis_tready,
  output logic              m_axis_tlast,

  // One cycle for each frame that is dropped, with the number of the reason.
  output logic              drop_valid,
  output logic [2:0]        drop_code,
  // And for each frame that is counted under this name.
  output logic              stat_finished,
  output logic              stat_passed,
  output logic              stat_drop_too_long,
  output logic              stat_drop_lengths
);

  localparam int WORDS = DATA_W / 16;
  localparam int WORD_BITS = $clog2(WORDS);
  localparam int LANE_BITS = $clog2(BYTES);
  localparam int POS_BITS = offload_pkg::POS_BITS;
  localparam int BEAT_BITS = POS_BITS - LANE_BITS;
  localparam int RAM_BEATS = RAM_BYTES / BYTES;
  localparam int RAM_BITS = $clog2(RAM_BEATS);
  localparam int BEATS_MAX = (LEN_MAX + BYTES - 1) / BYTES;
  localparam int FRAME_BITS = $clog2(FRAMES);
  // From a frame's last beat in header_fields' hands to its sums.
  localparam int SUM_CYCLES = DATA_W > 64 ? 4 : 1;
  // TCP's and IPv4's checksum field, in words from their header's start.
  localparam int TCP_FIELD_WORD = 8;
  localparam int IPV4_FIELD_WORD = 5;

  // --- The way in: beats into the ring, as long as there is room --------------------------------------

  logic [RAM_BITS:0]   write_at, read_at;
  logic [RAM_BITS:0]   beats_in;
  logic [FRAME_BITS:0] frames_held;
  logic                is_first;
  // A frame in which nothing more fits is swallowed: it will be dropped.
  wire is_over = beats_in == (RAM_BITS + 1)'(BEATS_MAX);
  wire ring_is_full = write_at - read_at == (RAM_BITS + 1)'(RAM_BEATS);

  assign s_axis_tready = frames_held != (FRAME_BITS + 1)'(FRAMES) && (!ring_is_full || is_over) && !rst;
  wire takes = s_axis_tvalid && s_axis_tready;
  wire stores = takes && !is_over;

  logic [LANE_BITS-1:0] kept_less_1;
  always_comb begin
    kept_less_1 = '0;
    for (int i = 1; i < BYTES; i++)
      if (s_axis_tkeep[i] && (i == BYTES - 1 || !s_axis_tkeep[(i + 1) % BYTES]))
        kept_less_1 = kept_less_1 | LANE_BITS'(i);
  end

  localparam int ENTRY_BITS = LANE_BITS + DATA_W;
  logic [ENTRY_BITS-1:0] ring [0:RAM_BEATS-1];
  wire [17:0] asked = {s_axis_tuser[17] && enable_l4, s_axis_tuser[16] && enable_l3, s_axis_tuser[15:0]};
  logic [17:0] meta_held;
  wire frame_leaves;

  always_ff @(posedge clk) begin
    if (stores) ring[write_at[RAM_BITS-1:0]] <= {kept_less_1, s_axis_tdata};
    if (takes && is_first) meta_held <= asked;
    if (rst) begin
      is_first <= 1'b1;
      write_at <= '0;
      beats_in <= '0;
      frames_held <= '0;
    end else begin
      if (takes) is_first <= s_axis_tlast;
      if (stores) write_at <= write_at + 1'b1;
      if (takes) beats_in <= s_axis_tlast ? '0 : is_over ? beats_in : beats_in + 1'b1;
      frames_held <= frames_held + (FRAME_BITS + 1)'(takes && s_axis_tlast) - (FRAME_BITS + 1)'(frame_leaves);
    end
  end

  // --- The sums, on the way in ------------------------------------------------------------------------

  wire                 beat_valid, beat_first, beat_last, is_ipv4, ipv4_is_sound;
  wire [DATA_W-1:0]    beat_data;
  wire [BEAT_BITS-1:0] beat_index;
  wire [POS_BITS-1:0]  frame_len, packet_end;
  /* verilator lint_off UNUSEDSIGNAL */
  wire                 is_arp, is_tcp, is_icmp, is_fragment;
  wire [11:0]          vlan;
  wire [31:0]          src, dst;
  wire [5:0]           l3_word_read, l4_word_read;
  wire [15:0]          l4_len;
  /* verilator lint_on UNUSEDSIGNAL */

  header_fields #(.DATA_W(DATA_W)) fields (
    .clk(clk), .rst(rst),
    .s_tdata(s_axis_tdata), .s_tkeep(s_axis_tkeep), .s_tvalid(s_axis_tvalid), .s_tready(s_axis_tready),
    .s_tlast(s_axis_tlast),
    .beat_valid(beat_valid), .beat_first(beat_first), .beat_last(beat_last), .beat_data(beat_data),
    .beat_index(beat_index), .frame_len(frame_len),
    .is_ipv4(is_ipv4), .is_arp(is_arp), .vlan(vlan), .ipv4_is_sound(ipv4_is_sound), .is_tcp(is_tcp),
    .is_icmp(is_icmp), .is_fragment(is_fragment), .src(src), .dst(dst), .l3_word(l3_word_read),
    .l4_word(l4_word_read), .l4_len(l4_len), .packet_end(packet_end)
  );

  // What was asked for, and how many beats of the frame are in the ring, beside the beat.
  logic [17:0]       meta_1, meta;
  logic [RAM_BITS:0] beats_1, beats;
  logic              over_1, over;
  always_ff @(posedge clk) begin
    meta_1  <= is_first ? asked : meta_held;
    beats_1 <= is_over ? beats_in : beats_in + 1'b1;
    over_1  <= is_over;
    meta    <= meta_1;
    beats   <= beats_1;
    over    <= over_1;
  end

  wire [7:0] l2_len = meta[7:0];
  wire [7:0] l3_len = meta[15:8];
  wire lengths_are_known = (l2_len == 8'd14 || l2_len == 8'd18 || l2_len == 8'd22)
                        && l3_len >= 8'd20 && l3_len <= 8'd60 && l3_len[1:0] == 2'b00;
  wire [5:0] l3_word = l2_len[6:1];
  wire [5:0] l4_word = l2_len[6:1] + l3_len[6:1];
  wire [5:0] ipv4_field = l3_word + 6'(IPV4_FIELD_WORD);
  wire [5:0] tcp_field = l4_word + 6'(TCP_FIELD_WORD);
  wire end_is_told = is_ipv4 && ipv4_is_sound;
  wire [POS_BITS-1:0] l4_end = end_is_told ? packet_end : '1;

  wire        sums_valid;
  wire [31:0] l3_total, l4_total;
  /* verilator lint_off UNUSEDSIGNAL */
  wire [31:0] raw_total;
  /* verilator lint_on UNUSEDSIGNAL */

  region_sums #(.DATA_W(DATA_W)) sums (
    .clk(clk), .rst(rst),
    .beat_valid(beat_valid), .beat_first(beat_first), .beat_last(beat_last), .beat_data(beat_data),
    .beat_index(beat_index),
    .l3_known(1'b1), .l3_word(l3_word), .l4_word(l4_word), .l4_end(l4_end),
    .skip(1'b1), .skip_word(ipv4_field), .l4_extra(19'd0),
    .sums_valid(sums_valid), .raw_sum(raw_total), .l3_sum(l3_total), .l4_sum(l4_total)
  );

  // Whether both fields lie within: the packet may end before the frame does.
  wire [POS_BITS-1:0] l4_at = POS_BITS'({l4_word, 1'b0});
  wire [POS_BITS-1:0] tcp_field_end = POS_BITS'({tcp_field, 1'b0}) + POS_BITS'(2);
  wire ipv4_is_outside = meta[16] && l4_at > frame_len;
  wire tcp_is_outside = meta[17] && (tcp_field_end > frame_len || tcp_field_end > l4_end && packet_end <= frame_len);
  wire lengths_are_wrong = (meta[16] || meta[17]) && (!lengths_are_known || ipv4_is_outside || tcp_is_outside);

  // What the last beat tells waits for the sums.
  localparam int TOLD_BITS = RAM_BITS + 1 + 4 + 12;
  localparam int WAIT = SUM_CYCLES;
  logic [WAIT*TOLD_BITS-1:0] told_then;
  always_ff @(posedge clk)
    told_then <= (WAIT*TOLD_BITS)'({told_then, beats, over, lengths_are_wrong, meta[17:16], tcp_field, ipv4_field});
  wire [TOLD_BITS-1:0] told = told_then[(WAIT-1)*TOLD_BITS +: TOLD_BITS];

  function automatic [15:0] checksum(input [31:0] total);
    logic [16:0] once;
    begin
      once = 17'(total[15:0]) + 17'(total[31:16]);
      checksum = ~(once[15:0] + 16'(once[16]));
    end
  endfunction

  // --- Finished frames, in order: how long, and what to write where -----------------------------------

  localparam int FINISHED_BITS = TOLD_BITS + 32;
  logic                     finished_valid;
  logic [FINISHED_BITS-1:0] finished_entry;
  logic [FINISHED_BITS-1:0] finished [0:FRAMES-1];
  logic [FRAME_BITS:0]      finished_write, finished_read;

  wire over_told = told[15];
  wire wrong_told = told[14];
  wire asks_told = told[13] || told[12];

  always_ff @(posedge clk) begin
    finished_valid <= sums_valid && !rst;
    finished_entry <= {told, checksum(l4_total), checksum(l3_total)};
    if (finished_valid) finished[finished_write[FRAME_BITS-1:0]] <= finished_entry;
    if (rst) finished_write <= '0;
    else if (finished_valid) finished_write <= finished_write + 1'b1;

    drop_valid <= sums_valid && !rst && (over_told || wrong_told);
    drop_code  <= !sums_valid || rst ? 3'd0 : over_told ? offload_pkg::DROP_TOO_LONG
                : wrong_told ? offload_pkg::DROP_LENGTHS : 3'd0;
    stat_drop_too_long <= sums_valid && !rst && over_told;
    stat_drop_lengths  <= sums_valid && !rst && !over_told && wrong_told;
    stat_finished      <= sums_valid && !rst && !over_told && !wrong_told && asks_told;
    stat_passed        <= sums_valid && !rst && !over_told && !wrong_told && !asks_told;
  end

  // --- The way out ------------------------------------------------------------------------------------

  wire [15:0]         l3_checksum, l4_checksum;
  wire [5:0]          l3_field_out, l4_field_out;
  wire                writes_l3, writes_l4, over_out, wrong_out;
  wire [RAM_BITS:0]   beats_out;
  assign {beats_out, over_out, wrong_out, writes_l4, writes_l3, l4_field_out, l3_field_out, l4_checksum, l3_checksum} =
    finished[finished_read[FRAME_BITS-1:0]];

  wire advances = !m_axis_tvalid || m_axis_tready;
  wire has_frame = finished_write != finished_read;
  wire drops = over_out || wrong_out;
  logic [RAM_BITS:0] beat_out;
  wire is_last_out = beat_out + 1'b1 == beats_out;
  assign frame_leaves = advances && has_frame && (drops || is_last_out);

  // Out of the ring, and which of its words is which field.
  logic                  valid_r, last_r, writes_l3_r, writes_l4_r;
  logic [ENTRY_BITS-1:0] entry_r;
  logic [WORD_BITS-1:0]  l3_lane_r, l4_lane_r;
  logic [15:0]           l3_checksum_r, l4_checksum_r;
  wire [5-WORD_BITS:0]   early_beat = beat_out[5-WORD_BITS:0];
  wire                   is_early = 32'(beat_out) < 64 / WORDS;

  always_ff @(posedge clk) begin
    if (advances) begin
      entry_r       <= ring[read_at[RAM_BITS-1:0]];
      last_r        <= is_last_out;
      writes_l3_r   <= writes_l3 && is_early && early_beat == l3_field_out[5:WORD_BITS];
      writes_l4_r   <= writes_l4 && is_early && early_beat == l4_field_out[5:WORD_BITS];
      l3_lane_r     <= l3_field_out[WORD_BITS-1:0];
      l4_lane_r     <= l4_field_out[WORD_BITS-1:0];
      l3_checksum_r <= l3_checksum;
      l4_checksum_r <= l4_checksum;
      m_axis_tlast  <= last_r;
      m_axis_tdata  <= entry_r[DATA_W-1:0];
      for (int w = 0; w < WORDS; w++) begin
        if (writes_l3_r && l3_lane_r == WORD_BITS'(w))
          m_axis_tdata[16*w +: 16] <= {l3_checksum_r[7:0], l3_checksum_r[15:8]};
        if (writes_l4_r && l4_lane_r == WORD_BITS'(w))
          m_axis_tdata[16*w +: 16] <= {l4_checksum_r[7:0], l4_checksum_r[15:8]};
      end
      for (int b = 0; b < BYTES; b++)
        m_axis_tkeep[b] <= !last_r || LANE_BITS'(b) <= entry_r[DATA_W +: LANE_BITS];
    end
    if (rst) begin
      valid_r <= 1'b0;
      m_axis_tvalid <= 1'b0;
      read_at <= '0;
      beat_out <= '0;
      finished_read <= '0;
    end else if (advances) begin
      valid_r <= has_frame && !drops;
      m_axis_tvalid <= valid_r;
      if (has_frame) begin
        read_at <= drops ? read_at + beats_out : read_at + 1'b1;
        beat_out <= drops || is_last_out ? '0 : beat_out + 1'b1;
        if (drops || is_last_out) finished_read <= finished_read + 1'b1;
      end
    end
  end

endmodule

`default_nettype wire
