// Two of them see the same frames, but not the same past, and not the same bytes in masked lanes: until the first
// reset, which may come in the middle of anything, each has frames of its own.
`default_nettype none

module checksum_rx_formal #(
  parameter int DATA_W = 64,
  parameter int LATENCY = 4
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

  reg started = 1'b0;
  reg was_reset = 1'b0;
  wire is_same = was_reset;

  wire [DATA_W-1:0] other_data;
  genvar b;
  generate
    for (b = 0; b < DATA_W / 8; b = b + 1) begin : lane
      assign other_data[8*b +: 8] = is_same && tkeep[b] ? tdata[8*b +: 8] : garbage[8*b +: 8];
    end
  endgenerate

  wire [1:0] valid;
  wire [1:0] l3_a, l4_a, l3_b, l4_b;
  wire [15:0] raw_a, raw_b;
  wire [4:0] stats, other_stats;

  checksum_rx #(.DATA_W(DATA_W)) dut (
    .clk(clk), .rst(rst), .s_axis_tdata(tdata), .s_axis_tkeep(tkeep), .s_axis_tvalid(tvalid),
    .s_axis_tready(tready), .s_axis_tlast(tlast), .verdict_valid(valid[0]), .verdict_l3(l3_a), .verdict_l4(l4_a),
    .raw_sum(raw_a), .stat_l3_good(stats[0]), .stat_l3_bad(stats[1]), .stat_unknown(stats[2]),
    .stat_l4_good(stats[3]), .stat_l4_bad(stats[4])
  );
  checksum_rx #(.DATA_W(DATA_W)) other (
    .clk(clk), .rst(rst), .s_axis_tdata(other_data), .s_axis_tkeep(tkeep),
    .s_axis_tvalid(is_same ? tvalid : other_tvalid), .s_axis_tready(tready),
    .s_axis_tlast(is_same ? tlast : other_tlast), .verdict_valid(valid[1]), .verdict_l3(l3_b), .verdict_l4(l4_b),
    .raw_sum(raw_b), .stat_l3_good(other_stats[0]), .stat_l3_bad(other_stats[1]), .stat_unknown(other_stats[2]),
    .stat_l4_good(other_stats[3]), .stat_l4_bad(other_stats[4])
  );

  reg [LATENCY-1:0] last_beats = 0;

  always @(posedge clk) begin
    started <= 1'b1;
    // The first cycles are without a reset where the proof begins there: what is in the registers is anything.
    was_reset <= was_reset || rst;
    last_beats <= rst ? 0 : {last_beats, tvalid && tready && tlast};
    // Lanes are kept from the first on, and all of them but in the last beat.
    assume ((tkeep & (tkeep + 1'b1)) == 0 && (tlast || &tkeep));
    if (was_reset) begin
      // property: a verdict comes so many cycles after each last beat, and at no other time
      assert (valid[0] == last_beats[LATENCY-1]);
      // property: each verdict on a header is counted once, and no other
      assert (valid[0] == (stats[0] || stats[1] || stats[2]) && stats[0] + stats[1] + stats[2] <= 2'd1);
      // property: each verdict on a segment is counted once, and is of a frame that has one on its header
      assert (!(stats[3] && stats[4]) && (!(stats[3] || stats[4]) || stats[0] || stats[1]));
      // property: what is counted is what is said
      if (valid[0]) assert (stats == {l4_a == 2'd1, l4_a == 2'd2, l3_a == 2'd0, l3_a == 2'd1, l3_a == 2'd2});
`ifdef PAST
      // property: neither a frame's past before a reset nor its masked lanes change a verdict or a sum
      assert (valid[0] == valid[1]);
      if (valid[0]) assert ({l3_a, l4_a, raw_a} == {l3_b, l4_b, raw_b});
`endif
    end
  end

endmodule

`default_nettype wire
