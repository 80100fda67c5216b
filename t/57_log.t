#!/usr/bin/perl

# The log as JSON: each line of a migrator and of a predictor is one object,
# and the audit in it is that of Redis, entry by entry.

use warnings;
use strict;

use JSON::PP;
use Test::More;

use ShardTest;

my $t = ShardTest->new(shards => 4, workers => 1);

$t->start_redis();
$t->start_nodes(2);
$t->seed();
$t->start_nginx(interval => '100ms');

my $r = $t->redis();

wait_for { $t->get('/kv/a', 'X-Key' => 'a')->{status} == 404 } 10, 'a table';


# the lines of a process, each parsed; what is none is a failure

sub lines {
    my ($name) = @_;

    my (@lines, @bad);

    for my $line (split /\n/, $t->process($name)->log_text()) {
        my $json = eval { decode_json($line) };

        push @bad, $line
            if ref $json ne 'HASH'
               || grep { !defined $json->{$_} } qw/ time level program keyspace message /;
        push @lines, $json if ref $json eq 'HASH';
    }

    is("@bad", '', "$name: every line is an object with what each has");
    return @lines;
}


sub other { return $t->shard_record($_[0])->{primary} eq 'n1' ? 'n2' : 'n1' }


# one that arrives, one that is taken back, and a program that would forge

my $forged = '\n{"level":"error","shard":9} shard=9 \033[31m\377 "';
my $hooks = <<"CONF";
hooks:
    - phase: copy
      exec: [ printf, '$forged' ]
    - { phase: release, exec: [ sh, -c, "exit 3" ] }
CONF

$t->start_daemon('shard-migrator', 'm1', $t->migrator_conf('m1', "$hooks\nlog: { format: json }\n"));

my $id = $t->migrate(1, other(1));
is("@{[ $t->wait_migrations(60, $id) ]}", '', 'shard 1 moves');

$t->process('m1')->stop();
spew($t->dir() . '/m1.yaml', $t->migrator_conf('m1', "log: { format: json }\n")
                             =~ s/probes: 5\n/probes: 150\n/r
                             =~ s/probe_interval: 5ms/probe_interval: 50ms/r);
$t->process('m1')->start();

my $back = $t->migrate(2, other(2));
wait_for { ($t->migration($back)->{phase} || '') eq 'warm-up' } 30, 'shard 2 warms up';
$t->ctl('rollback', $back);
wait_for { $t->migration($back)->{phase} eq 'rolled-back' } 30, 'and is taken back';
$t->process('m1')->stop();

my @lines = lines('m1');
my @own = grep { ($_->{migration} || '') =~ /^($id|$back)$/ } @lines;

cmp_ok(scalar @own, '>', 20, 'lines of the two migrations: ' . @own);
is((grep { $_->{time} !~ /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
           || $_->{level} !~ /^(?:error|warn|info|debug)$/
           || $_->{program} ne 'migrator' || $_->{keyspace} ne 'orders' } @lines), 0,
   'time, level, program, keyspace');
is((grep { $_->{shard} != ($_->{migration} eq $id ? 1 : 2) } @own), 0, 'their shards');

# numbers are numbers, ids and names are texts

my $text = $t->process('m1')->log_text();
like($text, qr/"migration":"$id","shard":1,"verb":"move","from":"n\d"/, 'types');
like($text, qr/"phase":"copy".*"position":\d+,.*"bytes":\d+,/, 'figures are numbers');

my ($said) = grep { $_->{message} =~ /says: .*shard=9/ } @lines;
ok($said && !exists $said->{shard} && $said->{level} eq 'info',
   'what a program says forges no field') or diag explain $said;
is((grep { ($_->{shard} // 0) == 9 } @lines), 0, 'and no line');


# the audit: what Redis has, field by field

my @audit = map { $_->[1] } $r->stream($t->key('audit'));
my @logged = grep { $_->{message} eq 'audit' } @lines;

cmp_ok(scalar @audit, '>', 15, 'audit entries: ' . @audit);
is(scalar @logged, scalar @audit, 'as many in the log');

my @fields = qw/ what was took_ms migration shard verb from to phase by holder
                 epoch attempt position bytes items shipped lag mirrored
                 mirror_bad hold_ms error /;
my @differ;

for my $i (0 .. $#audit) {
    push @differ, map { "$i $_: " . ($logged[$i]{$_} // 'none') . ' not ' . ($audit[$i]{$_} // 'none') }
                  grep { ($logged[$i]{$_} // 'none') ne ($audit[$i]{$_} // 'none') } @fields;
}

is("@differ", '', 'the same in each field');
is((grep { $_->{by} !~ /^operator:/ } @logged), 0, 'and who asked');
ok((grep { $_->{what} eq 'wish' && $_->{was} eq 'rollback' } @logged) == 1, 'wishes, too');
ok((grep { $_->{error} =~ /an operator wished so/ } @logged) > 0, 'and why it ended');


# a predictor, by its option

my $conf = $t->dir() . '/p1.yaml';

spew($conf, "redis:\n    addr: " . $t->redis_addr()
            . "\nkeyspace: orders\nmode: observe\nlog_level: debug\n");
$t->add(name => 'p1', argv => [ $t->program('shard-predictor'), '-c', $conf,
                                '--log-format', 'json' ]);
wait_for { $t->process('p1')->log_text() =~ /loaded 4 shards/ } 30, 'a predictor has loaded';
$t->process('p1')->stop();

my @told = lines('p1');
is((grep { $_->{program} ne 'predictor' } @told), 0, 'its lines: ' . @told);


# the option comes before the file; neither takes another word

for ([ 'shard-migrator', 'm1' ], [ 'shard-predictor', 'p1' ]) {
    my ($program, $name) = @$_;
    my @run = ($t->program($program), '-c', $t->dir() . "/$name.yaml");
    my ($rc, undef, $err) = $t->run(@run, '--log-format', 'yaml');

    like("$rc $err", qr/^2 .*--log-format "yaml": text or json is expected/, "$program: a word that is none");

    spew($t->dir() . '/bad.yaml', slurp($t->dir() . "/$name.yaml")
                                  =~ s/^log: .*$//mr . "\nlog: { format: jsn }\n");
    ($rc, undef, $err) = $t->run($t->program($program), '-c', $t->dir() . '/bad.yaml');
    like("$rc $err", qr/^1 .*bad\.yaml:\d+:\d+: .*"jsn".*json/, "$program: nor in its file");
}

is(($t->run($t->program('shard-predictor'), '-c', $t->dir() . '/p1.yaml', '--log-format'))[2],
   qq{shard-predictor: --log-format "": text or json is expected\n}, 'and one there must be');

$t->start_daemon('shard-migrator', 'm2', $t->migrator_conf('m2', "log: { format: json }\n"));
$t->process('m2')->stop();
push @{ $t->process('m2')->{argv} }, '--log-format', 'text';
$t->process('m2')->start();
wait_for { $t->process('m2')->log_text() =~ /Z info migrator keyspace=orders \S+ serves as m2/ } 20,
         'text by the option';
ok(1, 'the option comes before the file');

$t->finish();
done_testing();
