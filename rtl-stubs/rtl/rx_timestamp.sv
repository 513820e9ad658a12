// Stamps each received frame with the time at which its first beat passed: one cycle after it.
//
// It looks on: a beat counts where s_axis_tvalid and s_axis_tready are both high. The clock is of the same clock
// domain, and the stamp is its reading in the cycle of the first beat. How long that is after the frame's first
// bit on the wire is a constant of MAC and board, to be calibrated and taken off by software: it is not known
// here.
`default_nettype none

module rx_timestamp (
  input  wire         clk,
  input  wire         rst,

  input  wire         s_axis_tvalid,
  input  wire         s_axis_tready,
  input  wire         s_axis_tlast,

  // As ptp_clock has them.
  input  wire [95:0]  tod,
  input  wire [63:0]  count,
  input  wire [15:0]  generation,

  // The stamp stands from here to the next frame's.
  output logic        stamp_valid,
  output logic [95:0] stamp_tod,
  output logic [63:0] stamp_count,
  output logic [15:0] stamp_generation
);

  logic is_first;
  wire takes = s_axis_tvalid && s_axis_tready;

  always_ff @(posedge clk) begin
    if (rst) is_first <= 1'b1;
    else if (takes) is_first <= s_axis_tlast;

    stamp_valid <= takes && is_first && !rst;
    if (takes && is_first) begin
      stamp_tod <= tod;
      stamp_count <= count;
      stamp_generation <= generation;
    end
  end

endmodule

`default_nettype wire
