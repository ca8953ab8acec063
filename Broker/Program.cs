using System.Globalization;
using Broker;
using Broker.Commands;

// What it writes is for people and for programs everywhere alike, whatever the language of the machine.
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.InvariantCulture;
SharedBuffers.KeepMore();
return await CommandLine.RunAsync(args);

// ASP.NET Core would make it public, for tests that the worker has no need of.
internal static partial class Program;
