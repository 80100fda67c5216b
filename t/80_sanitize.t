#!/usr/bin/perl

# Everything under AddressSanitizer and UBSan: the module inside Debian's
# nginx, and each program at its work.  The logs are read at the end.

use warnings;
use strict;

BEGIN { $ENV{SHARD_SAN} = 1 }

use JSON::PP;
use Test::More;

use ShardTest;

my $t = ShardTest->new(shards => 8);

plan(skip_all => 'no sanitizer build here: make sanitize')
    if grep { !-e $t->program($_) }
       qw/ shardkv shardctl shardload shard-migrator shard-predictor
           ngx_http_shard_module.so /;

units();
start();
moves();
overrides();
predictor();
shardctl();
bad_input();

$t->finish('no sanitizer report, nothing crashed');
done_testing();


sub units {
    for my $unit (sort glob $t->program('unit/*')) {
        next if $unit =~ /\.d$/ || !-x $unit;

        my ($status, $out, $err) = $t->run($unit);
        my ($name) = $unit =~ m!([^/]+)$!;

        ok($status == 0 && $err !~ /Sanitizer|runtime error/, "unit $name")
            or diag(substr($err, 0, 2000));
    }
}


sub start {
    $t->start_redis();
    $t->start_nodes(2);
    $t->ctl('init', '--shards', 8,
            map { ('--node', "$_=$t->{nodes}{$_}{addr},"
                   . "zone=$t->{nodes}{$_}{zone},capacity=1000") }
            $t->node_names());
    $t->start_nginx();
    wait_for { $t->api('')->{version} >= 1 } 10, 'the table in nginx';
    $t->start_daemon('shard-migrator', 'migrator', $t->migrator_conf('m1'));
}


sub moves {
    $t->start_load(rate => 150);
    $t->wait_served(100);

    my @ids = map { $t->migrate($_, $_ % 2 ? 'n1' : 'n2') } 0 .. 3;

    is_deeply([ $t->wait_migrations(40, @ids) ], [], 'four shards move');
    $t->reload();
    is_deeply([ $t->wait_migrations(40, $t->migrate(0, 'n1')) ], [],
              'one moves back after a reload');

    $t->process('redis')->kill();
    $t->wait_served(50);
    $t->process('redis')->start();
    $t->redis()->close();
    wait_for { $t->api('')->{version} == $t->version() } 10,
        'the router has caught up';

    $t->wait_served(50);
    $t->load_is_clean($t->end_load(), 'load');
}


sub overrides {
    my $override = $t->key('override');

    $t->redis()->command('HSET', $override, 1, 'pin n2', 2, 'freeze',
                         3, 'split n1=5000 n2=5000', 4, 'pinn n1',
                         5, 'x' x 600, 'y', 'hold');
    wait_for { $t->redis()->command('HGET', $t->key('routers'), 'edge-1')
               =~ /pinn/ } 5, 'a misspelt override is shown';

    is($t->get("/kv/a$_", 'X-Key' => "a$_")->{status} =~ /^(404|421)$/, 1,
       "a request under overrides: $_") for 1 .. 20;
    $t->redis()->command('DEL', $override);
}


sub predictor {
    my $now = int(time() / 300) * 300;
    my $csv = "$t->{dir}/history.csv";

    spew($csv, join '', "epoch,a,b,c,d,e,f,g,h\n", map {
        my $at = $now - (2016 - $_) * 300;
        my $wave = 1 + sin($at / 86400 * 2 * 3.14159265);
        join(',', $at, map { 10 + $_ * 20 * $wave } 1 .. 8) . "\n";
    } 0 .. 2015);

    $t->ctl('history', 'import', $csv, '--format', 'fleet');

    my $predictor = $t->start_daemon('shard-predictor', 'predictor', <<"CONF");
redis:
    addr: ${\ $t->redis_addr() }
keyspace: $t->{keyspace}
mode: recommend
interval: 5m
horizon: 1h
history: 8d
CONF

    my $zones = eval {
        wait_for { $t->redis()->command('HLEN', $t->key('zones')) } 60,
            'zone scores';
    };
    is($@, '', 'the predictor scores zones');
    is($t->redis()->command('HLEN', $t->key('forecast')), 8,
       'and forecasts each shard');
    $predictor->stop();
    is($predictor->ended(), 'status 0', 'and ends well');
}


sub shardctl {
    for my $command ([ 'status' ], [ 'shards' ], [ 'nodes' ], [ 'zones' ],
                     [ 'routers' ], [ 'migrations' ], [ 'forecast', 1 ],
                     [ 'watch', '--once' ], [ 'override' ],
                     [ 'migrate', 1, 'n2', '--dry-run' ])
    {
        my ($status, undef, $err) = $t->try_ctl(@$command);
        unlike("$status $err", qr/^2|Sanitizer|runtime error/,
               "shardctl @$command");
    }
}


sub bad_input {
    my $r = $t->redis();
    my $version = $t->version();

    for my $json ('{', '{"lo":1}', '[]', '', '{"lo":"00","lo":"00"}',
                  '{"lo":"' . '0' x 5000 . '"}')
    {
        $r->command('XADD', $t->key('log'), ++$version . '-0', 'by', 'test',
                    'op', 'x', 'shard:1', $json);
        $r->command('HSET', $t->key('meta'), 'version', $version);
    }

    my $rejected = eval {
        wait_for {
            $t->get('/metrics')->{content}
                =~ /^nginx_shard_rejected_updates_total\S* ([1-9]\d*)/m && $1;
        } 10, 'refused changes are counted';
    };
    is($@, '', 'bad changes are refused and counted');

    is($t->get('/kv/none', 'X-Key' => "b$_")->{status}, 404,
       "and requests are served: $_") for 1 .. 5;
    is($t->request('GET', "/shards/$t->{keyspace}$_")->{status} =~ /^[24]/, 1,
       "API $_") for '/shards?from=99999999999999999999&limit=-1',
                     '/shards/%00', '/shards/1', '/nodes', '/' . 'x' x 3000;
}
