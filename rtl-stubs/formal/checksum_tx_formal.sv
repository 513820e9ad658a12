// Small: frames of up to 4 beats, a ring of 8, four frames at once.
`default_nettype none

module checksum_tx_formal (
  input wire        clk,
  input wire        rst,
  input wire [63:0] tdata,
  input wire [7:0]  tkeep,
  input wire        tvalid,
  input wire        tlast,
  input wire [17:0] tuser,
  input wire        enable_l3,
  input wire        enable_l4,
  input wire        out_ready
);

  wire tready, out_valid, out_last;
  wire [63:0] out_data;
  wire [7:0] out_keep;
  wire [3:0] stats;
  wire drops;
  wire [2:0] code;

  checksum_tx #(.DATA_W(64), .LEN_MAX(32), .RAM_BYTES(64), .FRAMES(4)) dut (
    .clk(clk), .rst(rst), .s_axis_tdata(tdata), .s_axis_tkeep(tkeep), .s_axis_tvalid(tvalid), .s_axis_tready(tready),
    .s_axis_tlast(tlast), .s_axis_tuser(tuser), .enable_l3(enable_l3), .enable_l4(enable_l4), .m_axis_tdata(out_data),
    .m_axis_tkeep(out_keep), .m_axis_tvalid(out_valid), .m_axis_tready(out_ready), .m_axis_tlast(out_last),
    .drop_valid(drops), .drop_code(code), .stat_finished(stats[0]), .stat_passed(stats[1]),
    .stat_drop_too_long(stats[2]), .stat_drop_lengths(stats[3])
  );

  reg started = 1'b0;
  reg was_waiting = 1'b0;
  reg [72:0] was_out;
  wire takes = tvalid && tready;
  wire leaves = out_valid && out_ready;

  // --- One beat of all that go in unasked for anything that is on, whichever it is, is watched until it is out

  (* anyconst *) reg [3:0] watched;
  reg [3:0] beats_in = 0, beats_out = 0;
  reg [72:0] seen;
  reg is_in = 1'b0;
  // How far the frame is in.
  reg [2:0] beat = 0;

  // --- Frames that are in and not yet spoken of -------------------------------------------------------

  reg [3:0] untold = 0;

  always @(posedge clk) begin
    started <= 1'b1;
    if (!started) assume (rst);
    assume ((tkeep & (tkeep + 1'b1)) == 0 && (tlast || &tkeep) && tkeep[0]);
    was_waiting <= !rst && out_valid && !out_ready;
    was_out <= {out_last, out_keep, out_data};
    beat <= rst ? 0 : takes ? (tlast ? 0 : beat + 1) : beat;
    untold <= rst ? 0 : untold + (takes && tlast) - (stats != 0);
`ifdef UNASKED
    assume ((tuser[17:16] & {enable_l4, enable_l3}) == 0);
    // All bits of a beat are treated alike: few stand for all.
    assume (tdata[63:2] == 0);
    // Frames fit.
    if (beat == 3) assume (tlast);
    if (rst) begin
      beats_in <= 0;
      beats_out <= 0;
      is_in <= 0;
    end else begin
      if (takes) beats_in <= beats_in + 1;
      if (takes && beats_in == watched) begin
        is_in <= 1;
        seen <= {tlast, tkeep, tdata};
      end
      if (leaves) beats_out <= beats_out + 1;
    end
    // Sixteen beats are enough to go around the ring.
    assume (beats_in < 15);
`endif
    if (started) begin
      // property: a beat that waits stays as it is
      if (was_waiting) assert (out_valid && {out_last, out_keep, out_data} == was_out);
      // property: no frame is counted before it is in, nor twice
      assert (stats == 0 || untold != 0);
      // property: under one name alone
      assert ((stats & (stats - 4'd1)) == 0);
      // property: a drop has its reason's number, and nothing else has one
      assert (drops == |stats[3:2] && code == (stats[2] ? 3'd2 : stats[3] ? 3'd6 : 3'd0));
`ifdef UNASKED
      // property: nothing leaves that did not come
      if (out_valid) assert (beats_out < beats_in);
      // property: what asks for nothing that is on leaves as it came, in order
      if (out_valid && beats_out == watched && is_in)
        assert ({out_last, out_keep, out_data} == seen);
`endif
    end
  end

endmodule

`default_nettype wire
