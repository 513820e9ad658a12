// Resets come whenever they like, and so does everything else.
`default_nettype none

module rx_timestamp_formal (
  input wire        clk,
  input wire        rst,
  input wire        s_axis_tvalid,
  input wire        s_axis_tready,
  input wire        s_axis_tlast,
  input wire [95:0] tod,
  input wire [63:0] count,
  input wire [15:0] generation
);

  wire stamp_valid;
  wire [95:0] stamp_tod;
  wire [63:0] stamp_count;
  wire [15:0] stamp_generation;

  rx_timestamp dut (
    .clk(clk), .rst(rst), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready), .s_axis_tlast(s_axis_tlast),
    .tod(tod), .count(count), .generation(generation), .stamp_valid(stamp_valid), .stamp_tod(stamp_tod),
    .stamp_count(stamp_count), .stamp_generation(stamp_generation)
  );

  reg started = 1'b0;
  reg inside = 1'b0;
  reg was_first = 1'b0;
  reg [175:0] was_time;
  wire takes = s_axis_tvalid && s_axis_tready;

  always @(posedge clk) begin
    started <= 1'b1;
    if (!started) assume (rst);
    inside <= !rst && (takes ? !s_axis_tlast : inside);
    was_first <= !rst && takes && !inside;
    was_time <= {tod, count, generation};
    if (started) begin
      // property: a stamp comes one cycle after each first beat, and at no other time
      assert (stamp_valid == was_first);
      // property: it is the clock's reading in the first beat's cycle
      if (stamp_valid) assert ({stamp_tod, stamp_count, stamp_generation} == was_time);
    end
  end

endmodule

`default_nettype wire
