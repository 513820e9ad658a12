// Small: frames of up to 3 beats, a ring of 8, four frames at once.
`default_nettype none

module checksum_tx_formal #(
  parameter int DATA_W = 64,
  // From a last beat to the frame's count, and to its first beat out where nothing is before it.
  parameter int COUNTED = 4,
  parameter int LATENCY = 7,
  parameter int BEATS_MAX = 3,
  // No frame is shorter, in beats.
  parameter int BEATS_MIN = 1,
  parameter int RAM_BEATS = 8,
  parameter int FRAMES = 4
) (
  input wire                clk,
  input wire                rst,
  // All bits of a beat are treated alike: few stand for all.
  input wire [1:0]          data,
  input wire [DATA_W/8-1:0] tkeep,
  input wire                tvalid,
  input wire                tlast,
  input wire [17:0]         tuser,
  input wire                enable_l3,
  input wire                enable_l4,
  input wire                host_ready,
  // A beat to watch.
  input wire                watches
);

  localparam BYTES = DATA_W / 8;
  localparam OUT_BITS = 1 + BYTES + DATA_W;

`ifdef READY
  wire out_ready = 1'b1;
`else
  wire out_ready = host_ready;
`endif
`ifdef UNASKED
  wire [17:0] asked = {tuser[17:16] & ~{enable_l4, enable_l3}, tuser[15:0]};
  wire [DATA_W-1:0] tdata = data;
`else
  wire [17:0] asked = tuser;
  wire [DATA_W-1:0] tdata = {DATA_W / 2{data}};
`endif

  wire tready, out_valid, out_last;
  wire [DATA_W-1:0] out_data;
  wire [BYTES-1:0] out_keep;
  wire [3:0] stats;
  wire drops;
  wire [2:0] code;

  checksum_tx #(.DATA_W(DATA_W), .LEN_MAX(BEATS_MAX * BYTES), .RAM_BYTES(RAM_BEATS * BYTES), .FRAMES(FRAMES)) dut (
    .clk(clk), .rst(rst), .s_axis_tdata(tdata), .s_axis_tkeep(tkeep), .s_axis_tvalid(tvalid), .s_axis_tready(tready),
    .s_axis_tlast(tlast), .s_axis_tuser(asked), .enable_l3(enable_l3), .enable_l4(enable_l4), .m_axis_tdata(out_data),
    .m_axis_tkeep(out_keep), .m_axis_tvalid(out_valid), .m_axis_tready(out_ready), .m_axis_tlast(out_last),
    .drop_valid(drops), .drop_code(code), .stat_finished(stats[0]), .stat_passed(stats[1]),
    .stat_drop_too_long(stats[2]), .stat_drop_lengths(stats[3])
  );

  reg started = 1'b0;
  reg was_waiting = 1'b0;
  reg [OUT_BITS-1:0] was_out;
  wire takes = tvalid && tready;
  wire ends = takes && tlast;
  wire leaves = out_valid && out_ready;

  // How far the frame is in.
  reg [3:0] beat = 0;
  reg [LATENCY-1:0] last_beats = 0;

  // --- Frames that may leave by now, and have not -----------------------------------------------------

  reg [4:0] due = 0;
  // In this cycle and the last what there is could go on.
  reg [1:0] went_on = 0;

  // --- One beat, whichever it is, is watched until it is out ------------------------------------------

  reg [4:0] held = 0;
  reg is_watched = 1'b0;
  reg [4:0] ahead;
  reg [OUT_BITS-1:0] seen;

  always @(posedge clk) begin
    started <= 1'b1;
    if (!started) assume (rst);
    assume ((tkeep & (tkeep + 1'b1)) == 0 && (tlast || &tkeep) && tkeep[0]);
    was_waiting <= !rst && out_valid && !out_ready;
    was_out <= {out_last, out_keep, out_data};
    last_beats <= rst ? 0 : {last_beats, ends};
    beat <= rst ? 0 : takes ? (tlast ? 0 : beat + !(&beat)) : beat;
`ifdef UNASKED
    // Frames fit.
    if (beat == BEATS_MAX - 1) assume (tlast);
    if (beat < BEATS_MIN - 1) assume (!tlast);
    went_on <= rst ? 0 : {went_on, !out_valid || out_ready};
    if (rst) begin
      due <= 0;
      held <= 0;
      is_watched <= 0;
    end else begin
      due <= due + last_beats[LATENCY-2] - (leaves && out_last);
      held <= held + takes - leaves;
      if (takes && watches && !is_watched) begin
        is_watched <= 1;
        ahead <= held - leaves;
        seen <= {tlast, tkeep, tdata};
      end else if (leaves && is_watched) begin
        ahead <= ahead - 1;
        if (ahead == 0) is_watched <= 0;
      end
    end
`endif
    if (started) begin
      // property: a beat that waits stays as it is
      if (was_waiting) assert (out_valid && {out_last, out_keep, out_data} == was_out);
      // property: each frame is counted so many cycles after its last beat, and nothing at any other time
      assert ((stats != 0) == last_beats[COUNTED-1]);
      // property: under one name alone
      assert ((stats & (stats - 4'd1)) == 0);
      // property: a drop has its reason's number, and nothing else has one
      assert (drops == |stats[3:2] && code == (stats[2] ? 3'd2 : stats[3] ? 3'd6 : 3'd0));
`ifdef UNASKED
      // property: nothing leaves before so many cycles after its frame's last beat, nor what did not come
      if (out_valid) assert (due != 0);
      // property: by then it leaves, and a beat in each cycle, unless it has to wait
      if (due != 0 && went_on == 2'b11) assert (out_valid);
      // property: what asks for nothing that is on leaves as it came, in order
      if (out_valid && is_watched && ahead == 0) assert ({out_last, out_keep, out_data} == seen);
`ifdef READY
      // property: a beat is taken in every cycle while the host takes what leaves
      assert (tready || rst);
`endif
`endif
    end
  end

endmodule

`default_nettype wire
