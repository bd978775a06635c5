// Walks the live workflow as an application in C# does, and prints what it saw as one line of JSON.
// LiveWorkflow <endpoint> <account's ARM id> <PEM file to trust> <tenant> <client>; IDENTITY_ENDPOINT and IDENTITY_HEADER
// are the managed identity's, the second of them is the client's secret too.
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Identity;
using Azure.ResourceManager;

Uri endpoint = new(args[0]);
ResourceIdentifier accountId = new(args[1]);
using X509Certificate2 trusted = X509Certificate2.CreateFromPem(File.ReadAllText(args[2]));
X509ChainPolicy policy = new()
{
    TrustMode = X509ChainTrustMode.CustomRootTrust,
    RevocationMode = X509RevocationMode.NoCheck,
};
policy.CustomTrustStore.Add(trusted);
using HttpClient http = new(new SocketsHttpHandler
{
    SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy },
});
HttpClientTransport transport = new(http);

MediaAccount Account(TokenCredential credential) => new(
    new ArmClient(credential, accountId.SubscriptionId, new ArmClientOptions
    {
        Environment = new ArmEnvironment(endpoint, endpoint.GetLeftPart(UriPartial.Authority)),
        Transport = transport,
    }),
    accountId);

JsonObject report = [];
MediaAccount account = Account(new DefaultAzureCredential());
JsonNode read = await account.Get();
report["account"] = read["name"]!.DeepClone();

await account.Put("/assets/dotnet", new { properties = new { description = "made by C#" } });
await account.Put("/liveEvents/dotnet", new
{
    location = "local",
    properties = new
    {
        input = new { streamingProtocol = "RTMP" },
        encoding = new { encodingType = "PassthroughStandard" },
    },
});
await account.Post("/liveEvents/dotnet/start");
JsonNode liveEvent = (await account.Get("/liveEvents/dotnet"))["properties"]!;
report["started"] = liveEvent["resourceState"]!.DeepClone();
report["ingestUrls"] = new JsonArray(
    [.. liveEvent["input"]!["endpoints"]!.AsArray().Select(found => found!["url"]!.DeepClone())]);
JsonNode output = await account.Put("/liveEvents/dotnet/liveOutputs/dotnet", new
{
    properties = new { assetName = "dotnet", archiveWindowLength = "PT1H", manifestName = "main" },
});
report["output"] = output["properties"]!["resourceState"]!.DeepClone();
JsonNode locator = await account.Put("/streamingLocators/dotnet", new
{
    properties = new { assetName = "dotnet", streamingPolicyName = "Predefined_ClearStreamingOnly" },
});
report["streamingLocatorId"] = locator["properties"]!["streamingLocatorId"]!.DeepClone();
JsonNode paths = await account.Post("/streamingLocators/dotnet/listPaths");
report["protocols"] = new JsonArray(
    [.. paths["streamingPaths"]!.AsArray().Select(found => found!["streamingProtocol"]!.DeepClone())]);
await account.Post("/streamingEndpoints/default/start");
report["endpoint"] = (await account.Get("/streamingEndpoints/default"))["properties"]!["resourceState"]!.DeepClone();

await account.Post("/liveEvents/dotnet/stop", new { removeOutputsOnStop = true });
report["stopped"] = (await account.Get("/liveEvents/dotnet"))["properties"]!["resourceState"]!.DeepClone();
report["outputsLeft"] = (await account.Get("/liveEvents/dotnet/liveOutputs"))["value"]!.AsArray().Count;
await account.Delete("/liveEvents/dotnet");
await account.Delete("/streamingLocators/dotnet");
await account.Delete("/assets/dotnet");
await account.Post("/streamingEndpoints/default/stop");
try
{
    await account.Get("/liveEvents/dotnet");
}
catch (RequestFailedException refused)
{
    report["afterDelete"] = $"{refused.Status} {refused.ErrorCode}";
}
report["operationsFollowed"] = account.Followed;

string secret = Environment.GetEnvironmentVariable("IDENTITY_HEADER") ?? "";
MediaAccount bySecret = Account(new ClientSecretCredential(args[3], args[4], secret, new ClientSecretCredentialOptions
{
    AuthorityHost = endpoint,
    DisableInstanceDiscovery = true,
    Transport = transport,
}));
report["bySecret"] = (await bySecret.Get())["name"]!.DeepClone();
Console.WriteLine(report.ToJsonString());
