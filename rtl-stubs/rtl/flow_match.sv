// Steering: holds each frame's key against all rules at once and says what becomes of the frame. One key a
// cycle, four cycles from key_valid to match_valid.
//
// A rule matches a key that has the bits of its value wherever its mask has a one: the words of FlowKey and
// MaskedKey in offload/src/flow/key.rs. Of those that match, the one with the lowest priority number decides;
// of one priority, which RuleSet in offload/src/flow/set.rs refuses, the one with the lower index.
//
// A rule is written whole in one cycle, while keys pass. What a later cycle of the search asks of it (its
// priority, its actions) is written by so many cycles later: a key meets a rule as it was before or as it is
// after, never a half. match_generation says which: the number of writes that the key has seen.
//
// What a rule has matched is counted when the frame is over, and only if the rule is still the one that
// matched: `life` tells two rules apart that followed each other at one index, as long as fewer than
// 2^LIFE_BITS are written there during one frame. A rule that is written begins at zero.
`default_nettype none

module flow_match #(
  parameter int RULES = 16,
  parameter int PRIORITY_BITS = 4,
  parameter int QUEUE_BITS = 4,
  parameter int COUNT_BITS = 48,
  parameter int LIFE_BITS = 8,
  localparam int INDEX_BITS = $clog2(RULES),
  localparam int KEY_BITS = 112
) (
  input  wire                     clk,
  input  wire                     rst,

  // A rule takes the place of what is at this index.
  input  wire                     write_valid,
  input  wire [INDEX_BITS-1:0]    write_index,
  input  wire                     write_enable,
  input  wire [PRIORITY_BITS-1:0] write_priority,
  input  wire [127:16]            write_value,
  input  wire [127:16]            write_mask,
  input  wire                     write_drop,
  input  wire [QUEUE_BITS-1:0]    write_queue,
  input  wire                     write_marks,
  input  wire [31:0]              write_mark,
  input  wire                     write_counts,
  output logic [31:0]             generation,

  input  wire                     key_valid,
  input  wire [127:16]            key,

  output logic                    match_valid,
  // Whether a rule matched. The rest is zero where none did.
  output logic                    match_hit,
  output logic [INDEX_BITS-1:0]   match_index,
  output logic [LIFE_BITS-1:0]    match_life,
  output logic                    match_drop,
  output logic [QUEUE_BITS-1:0]   match_queue,
  output logic                    match_marks,
  output logic [31:0]             match_mark,
  output logic [31:0]             match_generation,

  // A frame that a rule matched is over: it counts, with its bytes, if the rule counts.
  input  wire                     count_valid,
  input  wire [INDEX_BITS-1:0]    count_index,
  input  wire [LIFE_BITS-1:0]     count_life,
  input  wire [16:0]              count_bytes,

  // One cycle after read_valid, both numbers of one moment; they stay until the next.
  input  wire                     read_valid,
  input  wire [INDEX_BITS-1:0]    read_index,
  output logic [COUNT_BITS-1:0]   read_hits,
  output logic [COUNT_BITS-1:0]   read_bytes
);

  localparam int ACTION_BITS = LIFE_BITS + 1 + QUEUE_BITS + 1 + 32;

  // --- Writes, and the same one, two and three cycles later -------------------------------------------

  // The life that begins with a write.
  wire [LIFE_BITS-1:0] write_life;
  wire [ACTION_BITS-1:0] write_action = {write_life, write_drop, write_queue, write_marks, write_mark};

  logic                     valid_w1, valid_w2, valid_w3;
  logic [INDEX_BITS-1:0]    index_w1, index_w2, index_w3;
  logic [PRIORITY_BITS-1:0] priority_w1;
  logic [ACTION_BITS-1:0]   action_w1, action_w2, action_w3;
  always_ff @(posedge clk) begin
    valid_w1    <= write_valid && !rst;
    index_w1    <= write_index;
    priority_w1 <= write_priority;
    action_w1   <= write_action;
    valid_w2    <= valid_w1 && !rst;
    index_w2    <= index_w1;
    action_w2   <= action_w1;
    valid_w3    <= valid_w2 && !rst;
    index_w3    <= index_w2;
    action_w3   <= action_w2;
    if (rst) generation <= '0;
    else if (write_valid) generation <= generation + 1'b1;
  end

  // --- First cycle: every rule by itself --------------------------------------------------------------

  logic [RULES-1:0]               enabled, hits_1;
  logic [RULES*PRIORITY_BITS-1:0] priorities;
  logic [RULES*ACTION_BITS-1:0]   actions;
  logic [RULES*LIFE_BITS-1:0]     lives;
  logic [RULES-1:0]               counting, is_new;

  genvar r;
  generate
    for (r = 0; r < RULES; r = r + 1) begin : rule
      logic [KEY_BITS-1:0] value, mask;
      always_ff @(posedge clk) begin
        if (write_valid && write_index == INDEX_BITS'(r)) begin
          value <= write_value;
          mask <= write_mask;
        end
        if (rst) counting[r] <= 1'b0;
        else if (write_valid && write_index == INDEX_BITS'(r)) counting[r] <= write_counts;
        if (rst) enabled[r] <= 1'b0;
        else if (write_valid && write_index == INDEX_BITS'(r)) enabled[r] <= write_enable;
        if (rst) lives[r*LIFE_BITS +: LIFE_BITS] <= '0;
        else if (write_valid && write_index == INDEX_BITS'(r))
          lives[r*LIFE_BITS +: LIFE_BITS] <= write_life;
        if (valid_w1 && index_w1 == INDEX_BITS'(r)) priorities[r*PRIORITY_BITS +: PRIORITY_BITS] <= priority_w1;
        if (valid_w3 && index_w3 == INDEX_BITS'(r)) actions[r*ACTION_BITS +: ACTION_BITS] <= action_w3;
        hits_1[r] <= enabled[r] && ((key ^ value) & mask) == '0;
      end
    end
  endgenerate
  assign write_life = lives[write_index*LIFE_BITS +: LIFE_BITS] + 1'b1;

  // --- Second and third: the best of each quarter, then the best of them ------------------------------

  localparam int QUARTER = RULES / 4;

  logic [3:0]                 hit_now, hit_2;
  logic [4*PRIORITY_BITS-1:0] priority_now, priority_2;
  logic [4*INDEX_BITS-1:0]    index_now, index_2;
  always_comb begin
    hit_now = '0;
    priority_now = '0;
    index_now = '0;
    for (int q = 0; q < 4; q++)
      for (int i = 0; i < QUARTER; i++)
        if (hits_1[q*QUARTER+i] && (!hit_now[q] || priorities[(q*QUARTER+i)*PRIORITY_BITS +: PRIORITY_BITS]
                                                   < priority_now[q*PRIORITY_BITS +: PRIORITY_BITS])) begin
          hit_now[q] = 1'b1;
          priority_now[q*PRIORITY_BITS +: PRIORITY_BITS] =
            priorities[(q*QUARTER+i)*PRIORITY_BITS +: PRIORITY_BITS];
          index_now[q*INDEX_BITS +: INDEX_BITS] = INDEX_BITS'(q*QUARTER+i);
        end
  end

  logic                     best_hit, hit_3;
  logic [PRIORITY_BITS-1:0] best_priority;
  logic [INDEX_BITS-1:0]    best_index, index_3;
  always_comb begin
    best_hit = 1'b0;
    best_priority = '0;
    best_index = '0;
    for (int q = 0; q < 4; q++)
      if (hit_2[q] && (!best_hit || priority_2[q*PRIORITY_BITS +: PRIORITY_BITS] < best_priority)) begin
        best_hit = 1'b1;
        best_priority = priority_2[q*PRIORITY_BITS +: PRIORITY_BITS];
        best_index = index_2[q*INDEX_BITS +: INDEX_BITS];
      end
  end

  logic        valid_1, valid_2, valid_3;
  logic [31:0] generation_1, generation_2, generation_3;
  always_ff @(posedge clk) begin
    valid_1      <= key_valid && !rst;
    generation_1 <= generation;

    valid_2      <= valid_1 && !rst;
    generation_2 <= generation_1;
    hit_2        <= hit_now;
    priority_2   <= priority_now;
    index_2      <= index_now;

    valid_3      <= valid_2 && !rst;
    generation_3 <= generation_2;
    hit_3        <= best_hit;
    index_3      <= best_index;
  end

  // --- Fourth: what it does ---------------------------------------------------------------------------

  wire [ACTION_BITS-1:0] action_3 = actions[index_3*ACTION_BITS +: ACTION_BITS];
  always_ff @(posedge clk) begin
    match_valid      <= valid_3 && !rst;
    match_generation <= generation_3;
    match_hit        <= hit_3;
    match_index      <= hit_3 ? index_3 : '0;
    {match_life, match_drop, match_queue, match_marks, match_mark} <= hit_3 ? action_3 : '0;
  end

  // --- Counts -----------------------------------------------------------------------------------------

  // A frame's numbers are added in the cycle in which they come, so that two frames in a row, of one rule,
  // both count. What is_new says is zero, whatever the memory holds.
  logic [2*COUNT_BITS-1:0] counts [0:RULES-1];

  wire counts_now = count_valid && counting[count_index]
                 && lives[count_index*LIFE_BITS +: LIFE_BITS] == count_life;
  wire [2*COUNT_BITS-1:0] counted = is_new[count_index] ? '0 : counts[count_index];
  wire [COUNT_BITS-1:0] hits_next = counted[2*COUNT_BITS-1:COUNT_BITS] + 1'b1;
  wire [COUNT_BITS-1:0] bytes_next = counted[COUNT_BITS-1:0] + COUNT_BITS'(count_bytes);

  always_ff @(posedge clk) begin
    if (counts_now) counts[count_index] <= {hits_next, bytes_next};
    if (rst) is_new <= '1;
    else begin
      if (counts_now) is_new[count_index] <= 1'b0;
      // Written in the same cycle, it begins anew all the same.
      if (write_valid) is_new[write_index] <= 1'b1;
    end
    if (read_valid) {read_hits, read_bytes} <= is_new[read_index] ? '0 : counts[read_index];
  end

endmodule

`default_nettype wire
