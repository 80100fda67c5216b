#!/usr/bin/perl

# What a migration asks before it begins, and how it is stopped: all
# preconditions at once, budgets, wishes in any phase, a live router that does
# not answer.

use warnings;
use strict;

use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;

my $t = ShardTest->new(shards => 12, workers => 1);

$t->start_redis();
$t->start_nodes(3);
$t->seed();
$t->start_nginx(interval => '100ms', upstream => 'shard_hold timeout=900ms;');

my $r = $t->redis();

wait_for { $t->get('/kv/a', 'X-Key' => 'a')->{status} == 404 } 10, 'a table';


sub checks {
    my ($shard, $node, @more) = @_;

    my ($rc, $out, $err) = $t->try_ctl('migrate', $shard, $node, '--dry-run',
                                       '--json', @more);
    my $json = eval { decode_json($out) } || {};

    return ($rc, { map { $_->{name} => $_ } @{ $json->{check}{checks} || [] } },
            $json, $err);
}


sub other { return $t->shard_record($_[0])->{primary} eq 'n2' ? 'n3' : 'n2' }


# nobody to ask

my ($rc, $out, $err) = $t->try_ctl('migrate', 0, other(0), '--dry-run');
is($rc, 0, 'no migrator: the table alone is asked') or diag $err;
like($out, qr/^not checked: no shard-migrator/m, 'and it says so');


# all of them, good and bad ones

my $conf = $t->migrator_conf('m1', <<'CONF');
standby_time: 0s
CONF

$t->start_daemon('shard-migrator', 'm1', $conf);
wait_for { $r->hash($t->key('migrators')) && keys %{ $r->hash($t->key('migrators')) } }
         10, 'a migrator that says it lives';

my ($checks, $json);

($rc, $checks, $json, $err) = checks(0, other(0));
is($rc, 1, 'the hold bound of the router is too short');
is_deeply([ grep { $checks->{$_}{verdict} eq 'refused' } sort keys %$checks ],
          [ 'hold' ], 'it alone is refused') or diag explain $checks;
like($checks->{hold}{text}, qr/router edge-1 lets requests wait for 900 ms/, 'and why');
like(($t->try_ctl('migrate', 0, other(0), '--dry-run'))[2],
     qr/would refuse it: 1 of \d+ checks/, 'it fails');
is_deeply([ sort keys %$checks ],
          [ sort qw/ decision override nodes probe health source target room log
                     convergence budget routers hold / ], 'every precondition');
is($json->{check}{expect}{from}, 'guess', 'nothing is known of durations yet');

# the shorter one of two upstreams, be it the default

$t->reload(upstream => 'shard_hold timeout=9s;');
wait_for { ($r->hash($t->key('routers'))->{'edge-1'} || '') =~ /"hold_ms":9000\b/ } 10,
         'the longer hold';
$t->reload(upstream => 'shard_hold timeout=9s;',
           http => "upstream other { shard $t->{keyspace} key=\$arg_k; }");
wait_for { ($r->hash($t->key('routers'))->{'edge-1'} || '') =~ /"hold_ms":5000\b/ } 10,
         'the shorter hold';

($rc, $checks) = checks(0, other(0));
is($rc, 0, 'good') or diag explain $checks;
like(($t->try_ctl('migrate', 0, other(0), '--dry-run'))[1],
     qr/^CHECK +VERDICT +WHY\n.*^room +ok .*^expected: .* MB copied, requests wait \d+ ms \(a guess/ms,
     'as a table');


$r->command('HSET', $t->key('override'), 0, 'freeze');
$t->ctl('node', 'drain', other(0));
($rc, $checks) = checks(0, other(0));
is($rc, 1, 'a frozen shard to a draining node');
is_deeply([ grep { $checks->{$_}{verdict} eq 'refused' } sort keys %$checks ],
          [ qw/ nodes override / ], 'both are told');
$r->command('HDEL', $t->key('override'), 0);
$t->ctl('node', 'up', other(0));

$t->process(other(0))->stop();
($rc, $checks) = checks(0, other(0));
is($rc, 1, 'a dead target');
is($checks->{probe}{verdict}, 'silent', 'it does not answer');
ok(!$checks->{room}, 'its room is nothing to speak of');
$t->process(other(0))->start();

is($r->command('ZCARD', $t->key('migrations')), 0,
   'nothing of all that was a migration');


# budgets: the second of a zone waits, and may end before it began

sub restart {
    my ($more) = @_;

    $t->process('m1')->stop();
    spew($t->dir() . '/m1.yaml', $t->migrator_conf('m1', $more)
                                 =~ s/probes: 5\n/probes: 150\n/r
                                 =~ s/probe_interval: 5ms/probe_interval: 50ms/r
                                 =~ s/latency_floor: 500ms/latency_floor: 60s/r);
    $t->process('m1')->start();
}

sub phase { return $t->migration($_[0])->{phase} || 'none' }

restart("max_fleet: 1\n");
my $first = $t->migrate(0, other(0));
wait_for { phase($first) eq 'warm-up' } 20, 'the first in warm-up';
my @rest = map { $t->migrate($_, other($_)) } 1, 2;
wait_for { phase($_) eq 'planned' } 20, "$_ planned" for @rest;

($rc, $checks) = checks(3, other(3));
is($checks->{budget}{verdict}, 'waits', 'a check says that it would wait');
is($rc, 0, 'and is no refusal');

$t->ctl('rollback', $rest[1]);
wait_for { phase($rest[1]) eq 'rolled-back' } 20, 'a planned one that is to end';
is(phase($rest[0]), 'planned', 'the other one still waits');

$t->ctl('pause', $first);
($rc, $out, $err) = $t->try_ctl('pause', $rest[1]);
isnt($rc, 0, 'one that has ended does not pause');
like($err, qr/is in phase "rolled-back"/, 'and why');
$t->ctl('pause', $rest[0]);
$t->ctl('rollback', $first);
wait_for { phase($first) eq 'rolled-back' } 20, 'a paused one rolls back';
like($t->migration($first)->{error}, qr/an operator wished so/, 'because of the wish');
is(phase($rest[0]), 'planned', 'a planned one that pauses takes no room');
$t->ctl('resume', $rest[0]);
wait_for { phase($rest[0]) eq 'warm-up' } 20, 'and goes on';
$t->ctl('rollback', $rest[0]);
wait_for { phase($rest[0]) eq 'rolled-back' } 20, 'rolled back';


# a pause survives the migrator

my $id = $t->migrate(4, other(4));
wait_for { phase($id) eq 'warm-up' } 20, 'warm-up';
$t->ctl('pause', $id);
$t->process('m1')->signal('KILL');
$t->process('m1')->{asked} = 1;
wait_for { !$t->process('m1')->alive() } 10, 'its end';
restart("max_fleet: 1\n");
wait_for { my $m = $t->migration($id); $m->{phase} eq 'warm-up' && ($m->{holder} || '') =~ /^m1/ } 20,
         'another one has it';
$t->ctl('resume', $id);
my @bad = $t->wait_migrations(60, $id);
is("@bad", '', 'it arrives when it may') or diag explain $t->migration($id);


# the last migrations are what the next one is expected to be

($rc, $checks, $json) = checks(5, other(5));
is($json->{check}{expect}{from}, 'past', 'now durations are known');


# watch: how far it is, how fast, how long still

$t->commit('shard:6', 'shard', 6,
           encode_json({ %{ $t->shard_record(6) }, consistency => 'eventual' }));
restart("shift:\n    step_bp: 500\n    max_step_bp: 800\n    interval: 300ms\n");
spew($t->dir() . '/m1.yaml', slurp($t->dir() . '/m1.yaml') =~ s/probes: 150/probes: 3/r);
$t->process('m1')->stop();
$t->process('m1')->start();

$id = $t->migrate(6, other(6));
wait_for { phase($id) eq 'shift' } 20, 'the shift';
($rc, $out) = $t->try_ctl('watch', '--json', '--for', '2s', '--interval', '400ms');
my @progress = grep { ($_->{what} || '') eq "progress $id" }
               map { decode_json($_) } split /\n/, $out;
my ($going) = grep { $_->{phase} eq 'shift' && ($_->{rate} || 0) > 0 } @progress;
ok($going && $going->{unit} eq 'bp' && $going->{total} == 10000
   && $going->{left_ms} > 0 && $going->{text} =~ /^\d.* of 100\.0 %, \+.* left$/,
   'watch: rate and time left of the shift') or diag $out;
($rc, $out) = $t->try_ctl('watch', '--once');
like($out, qr/^$id/m, 'watch --once');
@bad = $t->wait_migrations(60, $id);
is("@bad", '', 'it arrives') or diag explain $t->migration($id);

my @steps = map { $_->[1]{'shard:6'} =~ /"shift":(\d+)/ ? $1 : () }
            grep { $_->[1]{'shard:6'} } $r->stream($t->key('log'));
is($steps[0], 500, 'the first step of the shift');
is($steps[1] - $steps[0], 750, 'the next one is larger while the target is at ease');
is($steps[2] - $steps[1], 800, 'but never beyond the most');


# hooks: programs before and after phases, a failing one rolls back

my $trace = $t->dir() . '/hooks';

sub hooks {
    my ($copy) = @_;
    restart(<<"CONF");
hooks:
    - phase: copy
      exec: [ sh, -c, "echo \$SHARD_WHEN \$SHARD_PHASE \$SHARD_ID >> $trace; $copy" ]
    - { phase: done, when: after, exec: [ sh, -c, "echo end \$SHARD_MIGRATION >> $trace" ] }
    - { phase: release, exec: [ "false" ] }
    - { phase: warm-up, exec: [ /no/such/program ], on_failure: ignore, timeout: 2s }
CONF
    spew($t->dir() . '/m1.yaml', slurp($t->dir() . '/m1.yaml') =~ s/probes: 150/probes: 3/r);
    $t->process('m1')->stop();
    $t->process('m1')->start();
}

hooks('echo all well');
$id = $t->migrate(8, other(8));
@bad = $t->wait_migrations(60, $id);
is("@bad", '', 'a failing hook behind the commit, or one to be ignored, undoes nothing')
    or diag explain $t->migration($id);
wait_for { -s $trace && slurp($trace) =~ /^end/m } 10, 'the hook of the end';
is(slurp($trace), "before copy 8\nend $id\n", 'hooks, each once, with their environment');
like($t->process('m1')->log_text(), qr/hook before copy says: all well/, 'output in the log');

hooks('exit 7');
my $failed = $t->migrate(9, other(9));
is("@{[ $t->wait_migrations(60, $failed) ]}", $failed, 'one that fails before the copy rolls back');
like($t->migration($failed)->{error}, qr/copy: hook before it: sh: exit status 7/, 'and says so');


# the audit: every phase with time, figures and who asked

my $story = $t->ctl('migrations', $id);
is(join(' ', map { "$_->{was}>$_->{phase}" } grep { $_->{what} eq 'phase' } @{ $story->{audit} }),
   join(' ', map { "$_->[0]>$_->[1]" } do {
       my @p = $story->{trail} =~ /(\S+)@\d+/g;
       map { [ @p[$_ - 1, $_] ] } 1 .. $#p }),
   'the audit has every phase of the trail');
is((grep { $_->{by} !~ /^operator:/ } @{ $story->{audit} }), 0, 'and who asked');
like(($t->try_ctl('migrations', $id))[1], qr/what happened.*^ +AT +WHAT +WAS.*^\S+ \S+ +phase +verify +.* commit /ms, 'as a table');
my ($asked) = grep { $_->{what} eq 'wish' && $_->{was} eq 'rollback' } @{ $t->ctl('migrations', $first)->{audit} };
is("$asked->{was} $asked->{phase}", 'rollback warm-up', 'wishes, too');
like($asked->{by}, qr/^operator:/, 'with who wished');
like($t->process('m1')->log_text(), qr/audit what=phase was=check .* migration=\w+ shard=8 .*by=operator:/,
     'and as a line of the log');


$t->finish();
done_testing();
