// rx_timestamp needs no data, and cocotbext-axi's stream no other: here is a stream with some.
`default_nettype none

module rx_timestamp_bench #(
  parameter int DATA_W = 64
) (
  input  wire                clk,
  input  wire                rst,
  input  wire [DATA_W-1:0]   s_axis_tdata,
  input  wire [DATA_W/8-1:0] s_axis_tkeep,
  input  wire                s_axis_tvalid,
  input  wire                s_axis_tready,
  input  wire                s_axis_tlast,
  input  wire [95:0]         tod,
  input  wire [63:0]         count,
  input  wire [15:0]         generation,
  output wire                stamp_valid,
  output wire [95:0]         stamp_tod,
  output wire [63:0]         stamp_count,
  output wire [15:0]         stamp_generation
);

  rx_timestamp stamps (
    .clk(clk), .rst(rst), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready), .s_axis_tlast(s_axis_tlast),
    .tod(tod), .count(count), .generation(generation), .stamp_valid(stamp_valid), .stamp_tod(stamp_tod),
    .stamp_count(stamp_count), .stamp_generation(stamp_generation)
  );

endmodule

`default_nettype wire
