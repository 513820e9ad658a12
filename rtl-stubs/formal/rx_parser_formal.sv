// Two of them see the same frames, but not the same past, and not the same bytes in masked lanes.
`default_nettype none

module rx_parser_formal #(
  parameter int DATA_W = 64
) (
  input wire                clk,
  input wire                rst,
  input wire [DATA_W-1:0]   tdata,
  input wire [DATA_W-1:0]   garbage,
  input wire [DATA_W/8-1:0] tkeep,
  input wire                tvalid,
  input wire                tready,
  input wire                tlast,
  input wire                other_tvalid,
  input wire                other_tlast
);

  localparam LATENCY = 3;

  reg was_reset = 1'b0;
  wire is_same = was_reset;

  wire [DATA_W-1:0] other_data;
  genvar b;
  generate
    for (b = 0; b < DATA_W / 8; b = b + 1) begin : lane
      assign other_data[8*b +: 8] = is_same && tkeep[b] ? tdata[8*b +: 8] : garbage[8*b +: 8];
    end
  endgenerate

  wire [1:0] key_valid, end_valid, has_key, is_segment;
  wire [127:0] key_a, key_b;
  wire [16:0] len_a, len_b;
  wire [2:0] stats, other_stats;

  rx_parser #(.DATA_W(DATA_W)) dut (
    .clk(clk), .rst(rst), .s_axis_tdata(tdata), .s_axis_tkeep(tkeep), .s_axis_tvalid(tvalid),
    .s_axis_tready(tready), .s_axis_tlast(tlast), .key_valid(key_valid[0]), .key(key_a), .end_valid(end_valid[0]),
    .end_has_key(has_key[0]), .end_is_segment(is_segment[0]), .end_len(len_a), .stat_not_ipv4(stats[0]),
    .stat_ipv4_malformed(stats[1]), .stat_tcp_malformed(stats[2])
  );
  rx_parser #(.DATA_W(DATA_W)) other (
    .clk(clk), .rst(rst), .s_axis_tdata(other_data), .s_axis_tkeep(tkeep),
    .s_axis_tvalid(is_same ? tvalid : other_tvalid), .s_axis_tready(tready),
    .s_axis_tlast(is_same ? tlast : other_tlast), .key_valid(key_valid[1]), .key(key_b), .end_valid(end_valid[1]),
    .end_has_key(has_key[1]), .end_is_segment(is_segment[1]), .end_len(len_b), .stat_not_ipv4(other_stats[0]),
    .stat_ipv4_malformed(other_stats[1]), .stat_tcp_malformed(other_stats[2])
  );

  // --- With which beat the key is complete, told by the frame's own bytes -----------------------------

  // IPv4's fixed header ends within so many bytes, behind two tags.
  localparam HEAD_BYTES = 42;
  localparam BYTES = DATA_W / 8;
  localparam BEATS_MAX = 255;
  // How many beats of the frame are in, and its first bytes with this beat's.
  reg [7:0] beats = 0;
  reg [8*HEAD_BYTES-1:0] head;
  wire [8*HEAD_BYTES-1:0] head_now;
  generate
    for (b = 0; b < HEAD_BYTES; b = b + 1) begin : head_byte
      assign head_now[8*b +: 8] = beats == b / BYTES ? tdata[8*(b % BYTES) +: 8] : head[8*b +: 8];
    end
  endgenerate
  wire [15:0] type_0 = {head_now[8*12 +: 8], head_now[8*13 +: 8]};
  wire [15:0] type_1 = {head_now[8*16 +: 8], head_now[8*17 +: 8]};
  wire [15:0] type_2 = {head_now[8*20 +: 8], head_now[8*21 +: 8]};
  wire one_tag = type_0 == 16'h8100 || type_0 == 16'h88a8;
  wire two_tags = one_tag && (type_1 == 16'h8100 || type_1 == 16'h88a8);
  wire is_ipv4 = (two_tags ? type_2 : one_tag ? type_1 : type_0) == 16'h0800;
  wire [159:0] ipv4 = two_tags ? head_now[8*22 +: 160] : one_tag ? head_now[8*18 +: 160] : head_now[8*14 +: 160];
  wire [7:0] ipv4_at = two_tags ? 8'd22 : one_tag ? 8'd18 : 8'd14;
  wire is_fragment = {ipv4[8*6 +: 6], ipv4[8*7 +: 8]} != 0;
  wire has_ports = ipv4[8*9 +: 8] == 8'd6 && !is_fragment;
  wire [15:0] bytes_now = (beats + 16'd1) * BYTES;
  wire is_complete = bytes_now >= 22 && (!is_ipv4 || (bytes_now >= ipv4_at + 20
                     && (!has_ports || bytes_now >= ipv4_at + 4 * ipv4[3:0] + 4)));
  wire takes = tvalid && tready;
  reg was_complete = 1'b0;
  wire is_due = takes && !was_complete && (is_complete || tlast);
  reg [LATENCY-1:0] dues = 0;

  reg [LATENCY-1:0] last_beats = 0;
  // Of the frame whose end is next.
  reg has_spoken = 1'b0;
  reg [127:0] spoken_a, spoken_b;

  always @(posedge clk) begin
    was_reset <= was_reset || rst;
    last_beats <= rst ? 0 : {last_beats, takes && tlast};
    dues <= rst ? 0 : {dues, is_due};
    was_complete <= !rst && (takes ? !tlast && (was_complete || is_complete) : was_complete);
    beats <= rst ? 0 : takes ? (tlast ? 0 : beats + (beats != BEATS_MAX)) : beats;
    if (takes) head <= head_now;
    has_spoken <= !rst && !end_valid[0] && (has_spoken || key_valid[0]);
    if (key_valid[0]) spoken_a <= key_a;
    if (key_valid[1]) spoken_b <= key_b;
    assume ((tkeep & (tkeep + 1'b1)) == 0 && (tlast || &tkeep));
    if (was_reset) begin
      // property: an end comes so many cycles after each last beat, and at no other time
      assert (end_valid[0] == last_beats[LATENCY-1]);
      // property: a key comes so many cycles after the beat that completes it, or the last, and at no other time
      assert (key_valid[0] == dues[LATENCY-1]);
      // property: a frame's key comes once
      assert (!(key_valid[0] && has_spoken));
      // property: and not after its end
      if (end_valid[0]) assert (key_valid[0] || has_spoken);
      // property: each frame without a key is counted under one name, and no other frame
      assert ((stats[0] + stats[1] + stats[2]) == (end_valid[0] && !has_key[0]));
      // property: a segment has a key
      if (end_valid[0] && is_segment[0]) assert (has_key[0]);
`ifdef PAST
      // property: neither a frame's past before a reset nor its masked lanes change what is said of it
      assert (end_valid[0] == end_valid[1]);
      if (end_valid[0]) assert ({has_key[0], is_segment[0], len_a} == {has_key[1], is_segment[1], len_b});
      // property: nor its key
      if (end_valid[0] && has_key[0])
        assert ((key_valid[0] ? key_a : spoken_a) == (key_valid[1] ? key_b : spoken_b));
`endif
    end
  end

endmodule

`default_nettype wire
