// In place of ptp_clock where a proof is about what becomes of the time: it is anything.
`default_nettype none

module ptp_clock (
  input  wire        clk,
  input  wire        rst,
  input  wire [7:0]  period_ns,
  input  wire [31:0] period_fraction,
  input  wire        set_valid,
  input  wire [47:0] set_seconds,
  input  wire [29:0] set_ns,
  output wire [95:0] tod,
  output wire [63:0] count,
  output wire [15:0] generation
);

  // All bits of a number are treated alike: few stand for all.
  (* anyseq *) reg [2:0] now;
  assign tod = now[0];
  assign count = now[1];
  assign generation = now[2];

endmodule

`default_nettype wire
