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

  reg [LATENCY-1:0] last_beats = 0;
  // Of the frame whose end is next.
  reg has_spoken = 1'b0;
  reg [127:0] spoken_a, spoken_b;

  always @(posedge clk) begin
    was_reset <= was_reset || rst;
    last_beats <= rst ? 0 : {last_beats, tvalid && tready && tlast};
    has_spoken <= !rst && !end_valid[0] && (has_spoken || key_valid[0]);
    if (key_valid[0]) spoken_a <= key_a;
    if (key_valid[1]) spoken_b <= key_b;
    assume ((tkeep & (tkeep + 1'b1)) == 0 && (tlast || &tkeep));
    if (was_reset) begin
      // property: an end comes so many cycles after each last beat, and at no other time
      assert (end_valid[0] == last_beats[LATENCY-1]);
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
