// Small: frames of up to 3 beats, a ring of 8, four frames at once. What the blocks beside the stream say is bits of the
// frame that they say it of, so that it can be told whose it was.
`default_nettype none

module offload_pipe_formal #(
  parameter int DATA_W = 64,
  parameter int BEATS_MAX = 3,
  // No frame is shorter, in beats.
  parameter int BEATS_MIN = 1,
  parameter int RAM_BEATS = 8,
  parameter int FRAMES = 4
) (
  input wire                clk,
  input wire                rst,
  // All bits of a beat are treated alike: few stand for all.
  input wire [7:0]          data,
  input wire [DATA_W/8-1:0] tkeep,
  input wire                tvalid,
  input wire                tlast,
  input wire                tuser,
  input wire                host_ready,
  // A frame to watch, and which of its beats.
  input wire                watches,
  input wire                watches_beat
);

  localparam BYTES = DATA_W / 8;
  // From a last beat to the frame's fate, and to its first beat out where nothing is before it.
  localparam FATE = 8;
  localparam LATENCY = 11;
  localparam BEAT_BITS = 1 + BYTES + DATA_W;
  localparam SAID_BITS = 4 + 1 + 2 + 1 + 32 + 1 + 2 + 2 + 16 + 17 + 96 + 64 + 16;

  (* anyconst *) reg enable_l3, enable_l4, misses_are_ours;
  (* anyconst *) reg [3:0] miss_queue;

`ifdef READY
  wire out_ready = 1'b1;
`else
  wire out_ready = host_ready;
`endif
`ifdef UNDROPPED
  // No rule drops.
  wire [7:0] bits = {data[7:3], 1'b0, data[1:0]};
  wire miss_is_ours = 1'b1;
`else
  wire [7:0] bits = data;
  wire miss_is_ours = misses_are_ours;
`endif
  wire [DATA_W-1:0] tdata = bits;

  wire tready, out_valid, out_last;
  wire [DATA_W-1:0] out_data;
  wire [BYTES-1:0] out_keep;
  wire [SAID_BITS-1:0] out_said;
  wire [95:0] tod;
  wire [63:0] clock_count;
  wire [15:0] clock_generation;
  wire drops, delivered;
  wire [2:0] code;
  // By their numbers, from 1.
  wire [5:1] reasons;

  offload_pipe #(
    .DATA_W(DATA_W), .LEN_MAX(BEATS_MAX * BYTES), .BUFFER_BYTES(RAM_BEATS * BYTES), .FRAMES(FRAMES), .RULES(4)
  ) dut (
    .clk(clk), .rst(rst), .s_axis_tdata(tdata), .s_axis_tkeep(tkeep), .s_axis_tvalid(tvalid), .s_axis_tready(tready),
    .s_axis_tlast(tlast), .s_axis_tuser(tuser), .m_axis_tdata(out_data), .m_axis_tkeep(out_keep),
    .m_axis_tvalid(out_valid), .m_axis_tready(out_ready), .m_axis_tlast(out_last), .m_queue(out_said[253:250]),
    .m_hit(out_said[249]), .m_rule(out_said[248:247]), .m_marked(out_said[246]), .m_mark(out_said[245:214]),
    .m_is_segment(out_said[213]), .m_verdict_l3(out_said[212:211]), .m_verdict_l4(out_said[210:209]),
    .m_raw_sum(out_said[208:193]), .m_len(out_said[192:176]), .m_stamp_tod(out_said[175:80]),
    .m_stamp_count(out_said[79:16]), .m_stamp_generation(out_said[15:0]), .enable_l3(enable_l3),
    .enable_l4(enable_l4), .miss_is_ours(miss_is_ours), .miss_queue(miss_queue), .write_valid(1'b0), .write_index(2'd0),
    .write_enable(1'b0), .write_priority(4'd0), .write_value(112'd0), .write_mask(112'd0), .write_drop(1'b0),
    .write_queue(4'd0), .write_marks(1'b0), .write_mark(32'd0), .write_counts(1'b0), .read_valid(1'b0),
    .read_index(2'd0), .period_ns(8'd0), .period_fraction(32'd0), .set_valid(1'b0), .set_seconds(48'd0),
    .set_ns(30'd0), .tod(tod), .count(clock_count), .clock_generation(clock_generation), .drop_valid(drops),
    .drop_code(code), .stat_delivered(delivered), .stat_drop_mac_error(reasons[1]), .stat_drop_too_long(reasons[2]),
    .stat_drop_buffer_full(reasons[3]), .stat_drop_not_ours(reasons[4]), .stat_drop_flow_drop(reasons[5])
  );

  // What its rule is told of a frame, which no port shows.
  (* hierconn *) wire \dut.steering.count_valid ;
  (* hierconn *) wire [1:0] \dut.steering.count_index ;
  (* hierconn *) wire [7:0] \dut.steering.count_life ;
  (* hierconn *) wire [16:0] \dut.steering.count_bytes ;
  localparam COUNT_BITS = 2 + 8 + 17;
  reg counted = 1'b0;
  reg [COUNT_BITS-1:0] count;

  reg started = 1'b0;
  reg was_waiting = 1'b0;
  reg [BEAT_BITS+SAID_BITS-1:0] was_out;
  wire [BEAT_BITS-1:0] out_beat = {out_last, out_keep, out_data};
  wire takes = tvalid && tready;
  wire ends = takes && tlast;
  wire leaves = out_valid && out_ready;

  // --- What has to become of each frame, for want of nothing ------------------------------------------

  // How far the frame is in, and what its first beat tells: whether a rule hits, whether that drops, and more.
  reg [3:0] beat = 0;
  reg [3:0] first_bits;
  reg [2:0] first_time;
  wire [3:0] first_now = beat == 0 ? bits[3:0] : first_bits;
  wire [2:0] time_now = beat == 0 ? {tod[0], clock_count[0], clock_generation[0]} : first_time;
  // The last beat tells whether it has a key.
  wire hits = bits[6] && first_now[3];
  wire [2:0] reason = tuser ? 3'd1 : beat >= BEATS_MAX ? 3'd2 : hits ? (first_now[2] ? 3'd5 : 3'd0)
                    : miss_is_ours ? 3'd0 : 3'd4;
  reg [FATE-1:0] last_beats = 0;
  reg [3*FATE-1:0] reasons_then;
  wire [2:0] reason_due = reasons_then[3*(FATE-1) +: 3];
  // And what its rule is to be told: which it is, of which life, and how long the frame was.
  wire [COUNT_BITS:0] count_now = {hits, first_now[1:0], 6'd0, first_now[0], first_now[1], 15'd0, bits[5:4]};
  reg [(COUNT_BITS+1)*FATE-1:0] counts_then;
  wire [COUNT_BITS:0] count_due = counts_then[(COUNT_BITS+1)*(FATE-1) +: COUNT_BITS+1];

  // --- Frames that may leave by now, and have not -----------------------------------------------------

  reg [LATENCY-FATE-2:0] delivered_then = 0;
  reg [4:0] due = 0;
  // In this cycle and the last what there is could go on.
  reg [1:0] went_on = 0;

  // --- One frame, whichever it is, is watched until it is out -----------------------------------------

  reg [4:0] waiting = 0;
  reg comes = 1'b0, is_judged = 1'b0, is_out = 1'b0;
  reg [FATE-1:0] watched_then = 0;
  reg [4:0] ahead;
  reg [3:0] seen_at, seen_beats, out_at = 0;
  reg [BEAT_BITS-1:0] seen;
  reg [SAID_BITS-1:0] said;
  wire watches_now = takes && beat == 0 && watches && !comes && !is_judged && !is_out;

  always @(posedge clk) begin
    started <= 1'b1;
    if (!started) assume (rst);
    assume ((tkeep & (tkeep + 1'b1)) == 0 && (tlast || &tkeep) && tkeep[0]);
`ifdef READY
    if (beat == BEATS_MAX - 1) assume (tlast);
    if (beat < BEATS_MIN - 1) assume (!tlast);
`endif
    was_waiting <= !rst && out_valid && !out_ready;
    was_out <= {out_beat, out_said};
    first_bits <= first_now;
    first_time <= time_now;
    reasons_then <= {reasons_then, reason};
    counts_then <= {counts_then, count_now};
    counted <= !rst && \dut.steering.count_valid ;
    count <= {\dut.steering.count_index , \dut.steering.count_life , \dut.steering.count_bytes };
    if (rst) begin
      beat <= 0;
      last_beats <= 0;
      delivered_then <= 0;
      due <= 0;
      went_on <= 0;
      waiting <= 0;
      out_at <= 0;
      {comes, is_judged, is_out} <= 0;
      watched_then <= 0;
    end else begin
      if (takes) beat <= tlast ? 0 : beat + !(&beat);
      last_beats <= {last_beats, ends};
      delivered_then <= {delivered_then, delivered};
      due <= due + delivered_then[LATENCY-FATE-2] - (leaves && out_last);
      went_on <= {went_on, !out_valid || out_ready};
      waiting <= waiting + delivered - (leaves && out_last);
      if (leaves) out_at <= out_last ? 0 : out_at + 1;

      watched_then <= {watched_then, ends && (comes || watches_now)};
      if (takes && (watches_now || comes)) begin
        comes <= !tlast;
        is_judged <= tlast;
        seen_beats <= beat + 1;
        if (watches_now || watches_beat) begin
          seen_at <= beat;
          seen <= {tlast, tkeep, tdata};
        end
        said <= {
          hits ? {2'b00, first_now[1:0]} : miss_queue, hits, hits ? first_now[1:0] : 2'd0, hits && first_now[0],
          hits && first_now[0] ? {31'd0, first_now[1]} : 32'd0, bits[7], enable_l3 ? bits[5:4] : 2'd0,
          enable_l4 ? ~bits[5:4] : 2'd0, 14'd0, bits[5:4], 15'd0, bits[5:4], 95'd0, time_now[2], 63'd0, time_now[1],
          15'd0, time_now[0]
        };
      end
      if (watched_then[FATE-1]) begin
        is_judged <= 0;
        is_out <= delivered;
        ahead <= waiting - (leaves && out_last);
      end
      if (is_out && leaves && out_last) begin
        ahead <= ahead - 1;
        is_out <= ahead != 0;
      end
    end
    if (started) begin
      // property: the wire never waits
      assert (tready);
      // property: a beat that waits stays as it is, and so does what is said of it
      if (was_waiting) assert (out_valid && {out_beat, out_said} == was_out);
      // property: each frame is delivered or dropped so many cycles after its last beat, and nothing at any other time
      assert ((delivered || drops) == last_beats[FATE-1]);
      // property: under one name alone
      assert (({delivered, reasons} & ({delivered, reasons} - 6'd1)) == 0);
      // property: a drop has its reason's number, and nothing else has one
      assert (drops == (reasons != 0) && (drops ? reasons[code] && code >= 1 && code <= 5 : code == 0));
      // property: the reason is the first that applies
      if (last_beats[FATE-1] && (reason_due == 1 || reason_due == 2 || code != 3)) assert (code == reason_due);
      // property: a frame that a rule matched is counted by that rule, of the life that it had then, with its length, if it is not lost
      assert (counted == (last_beats[FATE-1] && count_due[COUNT_BITS] && (delivered || code == 5)));
      if (counted) assert (count == count_due[COUNT_BITS-1:0]);
      // property: nothing leaves before so many cycles after its frame's last beat, nor what was not delivered
      if (out_valid) assert (due != 0);
      // property: a frame leaves as it came, in order, whatever came behind it
      if (out_valid && is_out && ahead == 0)
        assert ((out_at != seen_at || out_beat == seen) && out_last == (out_at + 1 == seen_beats));
      // property: what is said beside a frame was said of it
      if (out_valid && is_out && ahead == 0) assert (out_said == said);
`ifdef UNDROPPED
      // property: by then it leaves, and a beat in each cycle, unless it has to wait
      if (due != 0 && went_on == 2'b11) assert (out_valid);
`endif
`ifdef READY
      // property: no frame is lost for want of room while the host takes what leaves
      assert (!reasons[3]);
`endif
    end
  end

endmodule

`default_nettype wire
