// Four rules, and a table beside them that knows each rule only whole.
`default_nettype none

module flow_match_formal (
  input wire          clk,
  input wire          rst,
  input wire          write_valid,
  input wire [1:0]    write_index,
  input wire          write_enable,
  input wire [1:0]    write_priority,
  // All bits of a key are treated alike, and so are those of a mark: few of each stand for all.
  input wire [1:0]    value_bits,
  input wire [1:0]    mask_bits,
  input wire          write_drop,
  input wire [3:0]    write_queue,
  input wire          write_marks,
  input wire          mark_bit,
  input wire          write_counts,
  input wire          key_valid,
  input wire [1:0]    key_bits,
  input wire          count_valid,
  input wire [1:0]    count_index,
  input wire [3:0]    count_life,
  input wire [16:0]   count_bytes,
  input wire          read_valid,
  input wire [1:0]    read_index
);

  wire match_valid, match_hit, match_drop, match_marks;
  wire [1:0] match_index;
  wire [3:0] match_life, match_queue;
  wire [31:0] match_mark, match_generation, generation;
  wire [19:0] read_hits, read_bytes;

  flow_match #(.RULES(4), .PRIORITY_BITS(2), .QUEUE_BITS(4), .COUNT_BITS(20), .LIFE_BITS(4)) dut (
    .clk(clk), .rst(rst), .write_valid(write_valid), .write_index(write_index), .write_enable(write_enable),
    .write_priority(write_priority), .write_value({110'd0, value_bits}), .write_mask({110'd0, mask_bits}),
    .write_drop(write_drop), .write_queue(write_queue), .write_marks(write_marks), .write_mark({31'd0, mark_bit}),
    .write_counts(write_counts),
    .generation(generation), .key_valid(key_valid), .key({110'd0, key_bits}), .match_valid(match_valid),
    .match_hit(match_hit), .match_index(match_index), .match_life(match_life), .match_drop(match_drop),
    .match_queue(match_queue), .match_marks(match_marks), .match_mark(match_mark), .match_generation(match_generation),
    .count_valid(count_valid), .count_index(count_index), .count_life(count_life), .count_bytes(count_bytes),
    .read_valid(read_valid), .read_index(read_index), .read_hits(read_hits), .read_bytes(read_bytes)
  );

  // --- Rules, whole -----------------------------------------------------------------------------------

  reg started = 1'b0;
  reg [3:0] enabled = 0;
  reg [3:0] counting = 0;
  reg [15:0] lives = 0;
  reg [4*2-1:0] priorities;
  reg [4*2-1:0] values, masks;
  reg [4*7-1:0] actions;
  reg [31:0] writes = 0;

  wire [3:0] next_life = lives[4*write_index +: 4] + 4'd1;

  always @(posedge clk) begin
    if (rst) begin
      enabled <= 0;
      lives <= 0;
      counting <= 0;
      writes <= 0;
    end else if (write_valid) begin
      enabled[write_index] <= write_enable;
      counting[write_index] <= write_counts;
      lives[4*write_index +: 4] <= next_life;
      writes <= writes + 1;
    end
    if (write_valid) begin
      priorities[2*write_index +: 2] <= write_priority;
      values[2*write_index +: 2] <= value_bits;
      masks[2*write_index +: 2] <= mask_bits;
      actions[7*write_index +: 7] <= {write_drop, write_queue, write_marks, mark_bit};
    end
  end

  // --- What the key's own cycle decides ---------------------------------------------------------------

  reg hit;
  reg [1:0] index, least;
  integer r;
  always @* begin
    hit = 1'b0;
    index = 2'd0;
    least = 2'd0;
    // From the last to the first, so that of one priority the first stands.
    for (r = 3; r >= 0; r = r - 1)
      if (enabled[r] && ((key_bits ^ values[2*r +: 2]) & masks[2*r +: 2]) == 0
          && (!hit || priorities[2*r +: 2] <= least)) begin
        hit = 1'b1;
        index = r;
        least = priorities[2*r +: 2];
      end
  end

  localparam ANSWER = 1 + 2 + 4 + 7 + 32;
  wire [ANSWER-1:0] decision = {hit, hit ? {index, lives[4*index +: 4], actions[7*index +: 7]} : 13'd0, writes};
  reg [4*ANSWER-1:0] decisions;
  reg [3:0] keys = 0;
  always @(posedge clk) begin
    decisions <= {decisions, decision};
    keys <= rst ? 4'd0 : {keys, key_valid};
  end

  // --- What has been counted at one index, whichever it is --------------------------------------------

  (* anyconst *) reg [1:0] watched;
  reg [19:0] hits = 0, bytes = 0, hits_read, bytes_read;
  reg was_read = 1'b0;
  always @(posedge clk) begin
    if (rst || (write_valid && write_index == watched)) begin
      hits <= 0;
      bytes <= 0;
    end else if (count_valid && count_index == watched && counting[watched] && count_life == lives[4*watched +: 4]) begin
      hits <= hits + 1;
      bytes <= bytes + count_bytes;
    end
    was_read <= started && read_valid && read_index == watched;
    hits_read <= hits;
    bytes_read <= bytes;
  end

  always @(posedge clk) begin
    started <= 1'b1;
    if (!started) assume (rst);
    if (started) begin
`ifdef COUNTS
      // property: no event is lost, and none is counted for a rule that has gone
      if (was_read) assert ({read_hits, read_bytes} == {hits_read, bytes_read});
`else
      // property: an answer comes four cycles after each key, and at no other time
      assert (match_valid == keys[3]);
      // property: each key meets whole rules, those of its own cycle, and the best of them decides
      if (match_valid)
        assert (match_mark[31:1] == 0 && {match_hit, match_index, match_life, match_drop, match_queue, match_marks,
                match_mark[0], match_generation} == decisions[3*ANSWER +: ANSWER]);
`endif
    end
  end

endmodule

`default_nettype wire
