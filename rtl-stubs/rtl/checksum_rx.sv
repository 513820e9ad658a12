// Judges the checksums of received frames: IPv4's header and TCP's segment, each good, bad or unknown, and the
// raw sum of all that follows Ethernet's 14 bytes, from which software can go on by itself.
//
// It looks on as frames pass (header_fields says how) and speaks once for each, LATENCY cycles after its last
// beat, whatever the frame is. It never drops: a frame is wrong when its bytes are, and who says so is software.
//
//   IPv4  unknown unless there is a sound header (version, lengths) whose Total Length fits into the frame
//   TCP   unknown unless moreover it is TCP, no fragment, and has room for a TCP header of 20 bytes
//
// These are the conditions of FlowKey::of_frame in offload/src/flow/key.rs, so that a segment with ports is one
// with a verdict. Padding behind Total Length does not count. A field of 0x0000 is as good as one of 0xffff.
`default_nettype none

module checksum_rx #(
  parameter int DATA_W = 64,
  localparam int BYTES = DATA_W / 8,
  localparam int LATENCY = DATA_W > 64 ? 7 : 4
) (
  input  wire              clk,
  input  wire              rst,

  input  wire [DATA_W-1:0] s_axis_tdata,
  input  wire [BYTES-1:0]  s_axis_tkeep,
  input  wire              s_axis_tvalid,
  input  wire              s_axis_tready,
  input  wire              s_axis_tlast,

  output logic             verdict_valid,
  output logic [1:0]       verdict_l3,
  output logic [1:0]       verdict_l4,
  // Folded to 16 bits, not complemented.
  output logic [15:0]      raw_sum,

  // One cycle for each frame that is counted under this name.
  output logic             stat_l3_good,
  output logic             stat_l3_bad,
  output logic             stat_l4_good,
  output logic             stat_l4_bad,
  output logic             stat_unknown
);

  localparam int POS_BITS = offload_pkg::POS_BITS;
  localparam int BEAT_BITS = POS_BITS - $clog2(BYTES);
  localparam int TCP_HEADER_LEN = 20;
  // What is known with the last beat waits so many cycles for its sums.
  localparam int WAIT = LATENCY - 3;

  wire                 beat_valid, beat_first, beat_last;
  wire [DATA_W-1:0]    beat_data;
  wire [BEAT_BITS-1:0] beat_index;
  wire [POS_BITS-1:0]  frame_len, packet_end;
  wire                 is_ipv4, ipv4_is_sound, is_tcp, is_fragment;
  wire [31:0]          src, dst;
  wire [5:0]           l3_word, l4_word;
  wire [15:0]          l4_len;
  /* verilator lint_off UNUSEDSIGNAL */
  wire                 is_arp, is_icmp;
  wire [11:0]          vlan;
  /* verilator lint_on UNUSEDSIGNAL */

  header_fields #(.DATA_W(DATA_W)) fields (
    .clk(clk), .rst(rst),
    .s_tdata(s_axis_tdata), .s_tkeep(s_axis_tkeep), .s_tvalid(s_axis_tvalid), .s_tready(s_axis_tready),
    .s_tlast(s_axis_tlast),
    .beat_valid(beat_valid), .beat_first(beat_first), .beat_last(beat_last), .beat_data(beat_data),
    .beat_index(beat_index), .frame_len(frame_len),
    .is_ipv4(is_ipv4), .is_arp(is_arp), .vlan(vlan), .ipv4_is_sound(ipv4_is_sound), .is_tcp(is_tcp),
    .is_icmp(is_icmp), .is_fragment(is_fragment), .src(src), .dst(dst), .l3_word(l3_word), .l4_word(l4_word),
    .l4_len(l4_len), .packet_end(packet_end)
  );

  // The pseudo-header (RFC 9293 3.1). A segment's last beat comes at least one after the addresses where
  // beats are narrow: this is then theirs.
  logic [18:0] pseudo_header;
  always_ff @(posedge clk)
    pseudo_header <= 19'(src[31:16]) + 19'(src[15:0]) + 19'(dst[31:16]) + 19'(dst[15:0])
                   + 19'(offload_pkg::PROTOCOL_TCP) + 19'(l4_len);

  wire        sums_valid;
  wire [31:0] raw_total, l3_total, l4_total;

  region_sums #(.DATA_W(DATA_W)) sums (
    .clk(clk), .rst(rst),
    .beat_valid(beat_valid), .beat_first(beat_first), .beat_last(beat_last), .beat_data(beat_data),
    .beat_index(beat_index),
    .l3_known(is_ipv4), .l3_word(l3_word), .l4_word(l4_word), .l4_end(packet_end),
    .skip(1'b0), .skip_word(6'd0), .l4_extra(pseudo_header),
    .sums_valid(sums_valid), .raw_sum(raw_total), .l3_sum(l3_total), .l4_sum(l4_total)
  );

  // Whether there is anything to judge, as the last beat tells.
  wire judges_l3 = is_ipv4 && ipv4_is_sound && packet_end <= frame_len;
  wire judges_l4 = judges_l3 && is_tcp && !is_fragment && l4_len >= 16'(TCP_HEADER_LEN);

  logic [WAIT-1:0] judges_l3_then, judges_l4_then;
  always_ff @(posedge clk) begin
    judges_l3_then <= WAIT'({judges_l3_then, judges_l3});
    judges_l4_then <= WAIT'({judges_l4_then, judges_l4});
  end
  wire l3_is_due = judges_l3_then[WAIT-1];
  wire l4_is_due = judges_l4_then[WAIT-1];

  // A sum of right bytes is a multiple of 0xffff, and not zero. Of its two halves, of which the upper is
  // small, that is: each is the other's complement.
  wire l3_is_right = l3_total[15:0] == ~l3_total[31:16];
  wire l4_is_right = l4_total[15:0] == ~l4_total[31:16];
  wire [16:0] raw_once = 17'(raw_total[15:0]) + 17'(raw_total[31:16]);

  always_ff @(posedge clk) begin
    verdict_valid <= sums_valid && !rst;
    verdict_l3 <= !l3_is_due ? offload_pkg::VERDICT_UNKNOWN
                : l3_is_right ? offload_pkg::VERDICT_GOOD : offload_pkg::VERDICT_BAD;
    verdict_l4 <= !l4_is_due ? offload_pkg::VERDICT_UNKNOWN
                : l4_is_right ? offload_pkg::VERDICT_GOOD : offload_pkg::VERDICT_BAD;
    raw_sum <= raw_once[15:0] + 16'(raw_once[16]);

    stat_l3_good <= sums_valid && !rst && l3_is_due && l3_is_right;
    stat_l3_bad  <= sums_valid && !rst && l3_is_due && !l3_is_right;
    stat_l4_good <= sums_valid && !rst && l4_is_due && l4_is_right;
    stat_l4_bad  <= sums_valid && !rst && l4_is_due && !l4_is_right;
    stat_unknown <= sums_valid && !rst && !l3_is_due;
  end

endmodule

`default_nettype wire
