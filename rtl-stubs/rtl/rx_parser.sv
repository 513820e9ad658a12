// Reads off each received frame what steering can ask of it: a key of 128 bits, the bits of FlowKey in
// offload/src/flow/key.rs.
//
//   [127:96] source, [95:64] destination, [63:48] source port, [47:32] destination port, [31] zero,
//   [30] ARP, [29] ICMP, [28:17] VLAN of the outermost tag (0: none), [16] TCP with ports, [15:0] zero
//
// It looks on (header_fields says how) and speaks twice, three cycles after what it has to see:
//
//   key_*  with the frame's headers, so that steering need not wait for its end: after the beat that has the
//          last byte needed, or the last beat. At that time nobody knows whether the frame is as long as it
//          says: key_valid is a lookup to begin, not a decision.
//   end_*  with its last beat. Only now is the key a key: end_has_key says whether a rule may match at all.
//
// A frame has no key where it is neither IPv4 nor ARP, behind more than two tags, or malformed: IPv4 lengths
// that lie, or a TCP header cut short. A fragment has no ports.
`default_nettype none

module rx_parser #(
  parameter int DATA_W = 64,
  localparam int BYTES = DATA_W / 8,
  localparam int POS_BITS = offload_pkg::POS_BITS
) (
  input  wire                 clk,
  input  wire                 rst,

  input  wire [DATA_W-1:0]    s_axis_tdata,
  input  wire [BYTES-1:0]     s_axis_tkeep,
  input  wire                 s_axis_tvalid,
  input  wire                 s_axis_tready,
  input  wire                 s_axis_tlast,

  output logic                key_valid,
  output logic [127:0]        key,

  output logic                end_valid,
  output logic                end_has_key,
  // A whole IPv4 packet with a TCP segment in it: what offload/src/nic.rs calls Parsed::Ipv4Tcp.
  output logic                end_is_segment,
  // In bytes, without the frame check sequence. Within a beat of 2^17 and from there on it is 2^17 - 1.
  output logic [POS_BITS-1:0] end_len,

  // One cycle for each frame without a key that is counted under this name.
  output logic                stat_not_ipv4,
  output logic                stat_ipv4_malformed,
  output logic                stat_tcp_malformed
);

  localparam int WORDS = DATA_W / 16;
  localparam int WORD_BITS = $clog2(WORDS);
  localparam int BEAT_BITS = POS_BITS - $clog2(BYTES);
  localparam int TCP_HEADER_LEN = 20;

  wire                 beat_valid, beat_last;
  wire [DATA_W-1:0]    beat_data;
  wire [BEAT_BITS-1:0] beat_index;
  wire [POS_BITS-1:0]  frame_len, packet_end;
  wire                 is_ipv4, is_arp, ipv4_is_sound, is_tcp, is_icmp, is_fragment;
  wire [31:0]          src, dst;
  wire [11:0]          vlan;
  wire [5:0]           l3_word, l4_word;
  wire [15:0]          l4_len;
  /* verilator lint_off UNUSEDSIGNAL */
  wire                 beat_first;
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

  // --- How far the frame has come ---------------------------------------------------------------------

  // Past the words that can hold a type, past IPv4's fixed header, past both ports. A word count of 64 is
  // more than any of them.
  wire is_late = beat_index >= BEAT_BITS'(64 / WORDS);
  wire [6:0] words_seen = 7'({beat_index, {WORD_BITS{1'b1}}}) + 7'd1;
  wire has_types = is_late || words_seen >= 7'd11;
  wire has_header = is_late || words_seen >= 7'(l3_word) + 7'd10;
  wire has_ports = is_late || words_seen >= 7'(l4_word) + 7'd2;

  wire with_ports = is_ipv4 && is_tcp && !is_fragment;
  wire has_all = has_types && (!is_ipv4 || (has_header && (!with_ports || has_ports)));

  // --- The ports, wherever options leave them: two words, which may lie in two beats ------------------

  // Headers are whole 32-bit words behind Ethernet's 14 bytes: the first port is in an odd word.
  wire [5:0] dst_port_word = {l4_word[5:1] + 5'd1, 1'b0};
  wire [WORD_BITS-1:0] src_port_lane = l4_word[WORD_BITS-1:0];
  wire [WORD_BITS-1:0] dst_port_lane = dst_port_word[WORD_BITS-1:0];
  wire src_port_is_here = beat_index == BEAT_BITS'(l4_word[5:WORD_BITS]);
  wire dst_port_is_here = beat_index == BEAT_BITS'(dst_port_word[5:WORD_BITS]);
  wire [15:0] at_src_port = beat_data[16*src_port_lane +: 16];
  wire [15:0] at_dst_port = beat_data[16*dst_port_lane +: 16];

  logic [15:0] src_port, dst_port;
  always_ff @(posedge clk) begin
    if (beat_valid && src_port_is_here) src_port <= {at_src_port[7:0], at_src_port[15:8]};
    if (beat_valid && dst_port_is_here) dst_port <= {at_dst_port[7:0], at_dst_port[15:8]};
  end

  // --- What is to be said -----------------------------------------------------------------------------

  wire fits = packet_end <= frame_len;
  wire ipv4_is_right = ipv4_is_sound && fits;
  wire tcp_is_cut = with_ports && l4_len < 16'(TCP_HEADER_LEN);

  // Whether this frame's key has been said.
  logic is_said;
  // The key but for the ports, which come from registers of their own.
  logic [127:0] key_rest;
  logic key_with_ports;

  always_ff @(posedge clk) begin
    if (rst) is_said <= 1'b0;
    else if (beat_valid) is_said <= !beat_last && (is_said || has_all);

    key_valid <= beat_valid && !is_said && (has_all || beat_last) && !rst;
    key_rest <= {is_ipv4 ? {src, dst} : 64'd0, 33'd0, is_arp, is_ipv4 && is_icmp, vlan, with_ports,
                 16'd0};
    key_with_ports <= with_ports;

    end_valid      <= beat_valid && beat_last && !rst;
    end_has_key    <= is_arp || (is_ipv4 && ipv4_is_right && !tcp_is_cut);
    end_is_segment <= with_ports && ipv4_is_right && !tcp_is_cut;
    end_len        <= frame_len;

    stat_not_ipv4       <= beat_valid && beat_last && !rst && !is_ipv4 && !is_arp;
    stat_ipv4_malformed <= beat_valid && beat_last && !rst && is_ipv4 && !ipv4_is_right;
    stat_tcp_malformed  <= beat_valid && beat_last && !rst && is_ipv4 && ipv4_is_right && tcp_is_cut;
  end

  assign key = key_with_ports ? {key_rest[127:64], src_port, dst_port, key_rest[31:0]} : key_rest;

endmodule

`default_nettype wire
